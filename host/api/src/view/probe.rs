//! A probe that is stored or built in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::Kind;

/// A probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeView {
    /// Always [`Kind::Probe`].
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Where it came from; `builtin` for those of mcpd.
    pub source: String,
    /// `sha256:…` of the component.
    pub digest: String,
    /// Version of the contract it was built for, such as `0.1.0`.
    pub contract: String,
    /// What it says of itself; `null` where it could not be asked.
    pub description: Value,
    /// What one check may use, defaults filled in.
    pub limits: Value,
    /// `ready` or `failed`.
    pub state: String,
    /// The whole chain of errors where it failed.
    pub error: Option<String>,
    /// Servers that use it, sorted.
    pub used_by: Vec<String>,
    /// Bytes of the component.
    pub size_bytes: u64,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was replaced last.
    pub updated_at: Timestamp,
}
