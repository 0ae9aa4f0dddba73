//! One value that somebody set, not yet accepted.

use serde_json::Value;

use super::keys::Key;
use super::mistake::Origin;

/// A flag of the command line that sets a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As a person types it: `--listen`.
    pub name: &'static str,
    /// The key it sets: `listen.address`.
    pub key: &'static str,
    /// The value, written as it would be in a variable.
    pub text: String,
}

/// A value for a key, and who gave it.
pub(super) struct Setting {
    pub(super) origin: Origin,
    pub(super) key: &'static Key,
    pub(super) value: Value,
}
