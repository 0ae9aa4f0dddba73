//! The port to where secrets are kept, and what is the same for every backend.
//!
//! A secret is a row in the store (name, backend, keys); its values are with its backend. [`Resolver`]
//! brings the two together: it gives a server its whole environment or every reason why not.
//!
//! Every adapter passes the suite in `conformance.rs`.

#[cfg(test)]
mod conformance;
mod env;
mod file;
mod fingerprint;
mod key;
mod kinds;
mod resolver;
mod sealed;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use mcpd_core::env::SecretFailure;
use mcpd_core::secret::SecretValue;

use crate::store::SealedValues;

pub use env::{Environment, variable_name, withheld_prefixes};
pub use key::{KeyError, SealedKey};
pub use kinds::{BackendConfigError, Backends, SEALED};
pub use resolver::{Resolved, Resolver};

/// Bound of one call to a backend: long enough for one that has to log in first, short enough for an
/// attempt that waits for it.
pub const BACKEND_DEADLINE: Duration = Duration::from_secs(10);

/// Longest value of a secret (interfaces, bounds).
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// Longest key of a secret (interfaces, bounds).
pub const KEY_CHARACTERS_MAX: usize = 253;

/// Keys and values of one secret.
pub type SecretData = BTreeMap<String, SecretValue>;

/// A place that keeps secrets.
///
/// Contract: failures are told apart as [`SecretFailure`] does, and name no value. Secret names are DNS
/// labels and keys pass [`is_key`]; an adapter that builds paths or addresses from them checks again.
/// Values read are not kept. The caller sets the deadline; a dropped call leaves nothing behind.
#[async_trait]
pub trait SecretBackend: Send + Sync + fmt::Debug {
    /// The value of one key, as it stands there; empty is a value here.
    async fn read(&self, secret: &str, key: &str) -> Result<SecretValue, SecretFailure>;

    /// The keys of a secret, sorted.
    async fn keys(&self, secret: &str) -> Result<Vec<String>, SecretFailure>;

    /// Replaces all keys of a secret. What it gives back has to be written with the secret's row:
    /// [`SealedValues::Replace`] with the sealed values, or with none where they are kept elsewhere.
    ///
    /// # Errors
    /// [`SecretFailure::Refused`] where the backend is read-only.
    async fn write(&self, secret: &str, data: &SecretData) -> Result<SealedValues, SecretFailure>;

    /// Removes a secret and all its keys; one that is not there is removed already.
    ///
    /// # Errors
    /// [`SecretFailure::Refused`] where the backend is read-only.
    async fn delete(&self, secret: &str) -> Result<(), SecretFailure>;

    /// Whether secrets could be read now.
    async fn health(&self) -> Result<(), SecretFailure>;
}

/// Whether `text` may be the key of a secret: `[-._a-zA-Z0-9]{1,253}` and not `.` or `..`.
pub fn is_key(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=KEY_CHARACTERS_MAX).contains(&text.len()) && text.bytes().all(allowed) && text != "." && text != ".."
}

/// Takes what a backend gave for a value, if it can be one: UTF-8, no NUL, not too long.
fn value_of(bytes: Vec<u8>) -> Result<SecretValue, SecretFailure> {
    let nonsense = |words: &str| SecretFailure::Nonsense(words.to_owned());
    if bytes.len() > VALUE_BYTES_MAX {
        return Err(nonsense("the value is longer than 1 MiB"));
    }
    if bytes.contains(&0) {
        return Err(nonsense("the value holds a NUL character"));
    }
    String::from_utf8(bytes).map(SecretValue::new).map_err(|_| nonsense("the value is not UTF-8"))
}

fn read_only(backend: &str) -> SecretFailure {
    SecretFailure::Refused(format!("{backend} is read-only: change the secret where it comes from"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_other_texts() {
        for good in ["token", "a.b-c_D9", "..data", &"x".repeat(253)] {
            assert!(is_key(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\0", &"x".repeat(254)] {
            assert!(!is_key(bad), "{bad}");
        }
    }

    #[test]
    fn what_can_be_no_value_is_nonsense() {
        for bytes in [vec![0xff], b"a\0b".to_vec(), vec![b'x'; VALUE_BYTES_MAX + 1]] {
            assert!(matches!(value_of(bytes), Err(SecretFailure::Nonsense(_))));
        }
        assert!(value_of(vec![b'x'; VALUE_BYTES_MAX]).is_ok());
    }
}
