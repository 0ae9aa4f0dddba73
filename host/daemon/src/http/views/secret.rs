//! Secrets and their backends, without a single value.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mcpd_api::manifest::Kind;
use mcpd_api::view::{BackendHealth, SecretBackendView, SecretView};
use serde_json::Value;

use super::version;
use crate::store::{BackendRow, SecretRow};

/// A secret; `keys` are those its backend holds, with a fingerprint where the value could be read.
pub(crate) fn secret_view(
    row: &SecretRow,
    keys: BTreeMap<String, Option<String>>,
    used_by: Vec<String>,
) -> SecretView {
    SecretView {
        kind: Kind::Secret,
        name: row.name.clone(),
        backend: row.backend.clone(),
        keys: keys.keys().cloned().collect(),
        fingerprints: keys.into_iter().filter_map(|(key, print)| Some((key, print?))).collect(),
        used_by,
        version: version(row.version),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// A backend that a manifest made.
pub(crate) fn backend_view(
    row: &BackendRow,
    health: BackendHealth,
    used_by: Vec<String>,
) -> SecretBackendView {
    SecretBackendView {
        kind: Kind::SecretBackend,
        name: row.name.clone(),
        backend_type: row.backend_type.clone(),
        config: serde_json::from_str(&row.config).unwrap_or_else(|_| Value::Object(serde_json::Map::new())),
        health,
        used_by,
        version: version(row.version),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// The backend that is there without a manifest, since this mcpd started.
pub(crate) fn builtin_backend_view(
    name: &str,
    since: Timestamp,
    health: BackendHealth,
    used_by: Vec<String>,
) -> SecretBackendView {
    SecretBackendView {
        kind: Kind::SecretBackend,
        name: name.to_owned(),
        backend_type: name.to_owned(),
        config: Value::Object(serde_json::Map::new()),
        health,
        used_by,
        version: 0,
        created_at: since,
        updated_at: since,
    }
}
