//! Secrets and their backends, without a single value.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::Kind;

/// A secret. Without the status it is a manifest that leaves the values as they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretView {
    /// Always [`Kind::Secret`].
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Name of the backend that holds it.
    pub backend: String,
    /// Its keys, as far as the backend can list them, sorted.
    pub keys: Vec<String>,
    /// A keyed fingerprint per key, which tells a changed value from the same one and nothing else.
    pub fingerprints: BTreeMap<String, String>,
    /// Servers that use it, sorted.
    pub used_by: Vec<String>,
    /// Counted up by every change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// A secret backend. Without the status it is a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretBackendView {
    /// Always [`Kind::SecretBackend`].
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// `sealed`, `env`, `file`, `openbao`.
    #[serde(rename = "type")]
    pub backend_type: String,
    /// The settings of its type, which hold no secret value; an object.
    pub config: Value,
    /// Whether it answers.
    pub health: BackendHealth,
    /// Secrets that it holds, sorted.
    pub used_by: Vec<String>,
    /// Counted up by every change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// Whether a backend answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendHealth {
    /// `None` before it was asked.
    pub ok: Option<bool>,
    /// The words of its refusal; may be empty.
    pub message: String,
    /// When it was asked last.
    pub checked_at: Option<Timestamp>,
}
