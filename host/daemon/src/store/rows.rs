//! What the store gives back: one type for each kind of row.

use std::fmt;

use jiff::Timestamp;
use mcpd_core::event::Event;
use mcpd_core::instance::Instance;
use mcpd_core::name::{InstanceId, ServerName};

/// Desired state of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRow {
    /// Its name.
    pub name: ServerName,
    /// The manifest as canonical JSON.
    pub manifest: String,
    /// Counts up with each put, from 1; what `If-Match` names.
    pub version: i64,
    /// Whether it is on its way out (behaviour 5.6).
    pub deleting: bool,
    /// Counts up with each restart a person asked for; instances of another nonce are to be replaced.
    pub restart_nonce: i64,
    /// Whether an apply made or changed it, so that a pruning apply may remove it.
    pub applied: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// Observed state of one instance, and where the runtime has it.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRow {
    /// The instance with its event log. Times are kept to the microsecond.
    pub instance: Instance,
    /// The runtime's own handle, opaque to everybody else; written before the start as the intent.
    pub handle: Option<String>,
    /// Process id on the host.
    pub pid: Option<u32>,
    /// Id of its container.
    pub container_id: Option<String>,
    /// The image it runs.
    pub image: Option<String>,
    /// The port of this host's loopback that leads to its server, where it has one.
    pub port: Option<u16>,
}

/// An event with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// The server.
    pub server: ServerName,
    /// The instance; `None` when it is about the server as a whole.
    pub instance: Option<InstanceId>,
    /// What happened.
    pub event: Event,
}

/// A secret without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRow {
    /// Its name.
    pub name: String,
    /// Name of the backend that holds the values.
    pub backend: String,
    /// The keys that were written through mcpd, sorted; a backend may hold more.
    pub keys: Vec<String>,
    /// Counts up with each put, from 1.
    pub version: i64,
    /// Whether an apply made or changed it.
    pub applied: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// One value, sealed; worth nothing without `sealed.key`.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// The key in the secret.
    pub key: String,
    /// 24 bytes, random for each value.
    pub nonce: Vec<u8>,
    /// The value with its tag.
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedValue({})", self.key)
    }
}

/// A secret backend that a manifest made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendRow {
    /// Its name.
    pub name: String,
    /// `sealed`, `env`, `file`, `openbao`.
    pub backend_type: String,
    /// Its configuration as canonical JSON; refers to secrets, never holds one.
    pub config: String,
    /// Whether secrets that name no backend are in this one; true for one backend at most.
    pub is_default: bool,
    /// Counts up with each put, from 1.
    pub version: i64,
    /// Whether an apply made or changed it.
    pub applied: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}
