//! The port to what mcpd keeps on disk: desired state, what became of it, and the secrets sealed for it.
//!
//! Desired state is written by [`Store::write`] alone: any number of [`Change`]s, all or none of them.
//! Observed state is written by the driver, one [`Store::put_instance`] for each transition. Rows carry the
//! times their callers give; the store has no clock.
//!
//! Every adapter passes the suite in `conformance.rs`.

mod change;
#[cfg(test)]
pub(crate) mod conformance;
mod error;
pub mod memory;
mod owner;
mod rows;
pub mod sqlite;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use mcpd_core::check::CheckRecord;
use mcpd_core::event::EventDraft;
use mcpd_core::name::{InstanceId, ServerName};

pub use change::{BackendDraft, Change, Expected, SealedValues, SecretDraft, ServerDraft};
pub use error::{Object, StoreError};
pub use owner::owner_id;
pub use rows::{BackendRow, EventRow, InstanceRow, SealedValue, SecretRow, ServerRow};

/// Bound of every call: a store on a local disk answers in milliseconds, and a caller that waits longer
/// than this should say so instead of waiting on.
pub const STORE_DEADLINE: Duration = Duration::from_secs(5);

/// Checks kept per instance (behaviour 6.10).
pub const CHECKS_MAX: usize = 20;

/// Events kept per server beside those of its living instances: what a person needs to understand a week
/// of trouble with one server.
pub const EVENTS_PER_SERVER_MAX: usize = 500;

/// Events kept of all servers that were deleted, together.
pub const EVENTS_OF_GONE_SERVERS_MAX: usize = 1000;

/// What one probe remembers about one server: keys and bytes. The bounds are the probe host's.
pub type ProbeState = BTreeMap<String, Vec<u8>>;

/// What is kept about this mcpd itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// The random id that labels what this mcpd owns (behaviour 5.8).
    OwnerId,
    /// A value that tells whether `sealed.key` is the key the sealed values were made with.
    SealedKeyCheck,
}

/// Everything mcpd keeps.
///
/// Contract: a call that returned `Ok` from a write survives a crash of mcpd and of the machine. A call
/// ends within [`STORE_DEADLINE`], with [`StoreError::Deadline`] if need be; whether a write that ended so
/// was made is unknown. A call that is dropped is made as a whole or not at all. Lists are complete and
/// sorted by name unless they say otherwise.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Whether the store answers, for `/readyz`.
    async fn ping(&self) -> Result<(), StoreError>;

    /// The value under `key`, if any was put.
    async fn find_meta(&self, key: MetaKey) -> Result<Option<String>, StoreError>;
    /// Puts `value` under `key`, in place of what was there.
    async fn put_meta(&self, key: MetaKey, value: &str) -> Result<(), StoreError>;

    /// Makes all changes in the order given, in one transaction, or none of them. Gives the version that
    /// each object has afterwards, 0 for one that was removed.
    ///
    /// # Errors
    /// The first change whose [`Expected`] does not hold, or that is against a rule of [`Change`].
    async fn write(&self, changes: &[Change], now: Timestamp) -> Result<Vec<i64>, StoreError>;

    /// All servers, those being deleted too.
    async fn list_servers(&self) -> Result<Vec<ServerRow>, StoreError>;
    /// The server of that name, also while it is being deleted.
    async fn find_server(&self, name: &ServerName) -> Result<Option<ServerRow>, StoreError>;
    /// Removes a server that is marked as being deleted, with its instances, checks and probe state; its
    /// events stay. Does nothing when there is no such server.
    ///
    /// # Errors
    /// [`StoreError::NotDeleting`] when nobody asked for its deletion.
    async fn forget_server(&self, name: &ServerName) -> Result<(), StoreError>;

    /// All instances with their events, by server and age.
    async fn list_instances(&self) -> Result<Vec<InstanceRow>, StoreError>;
    /// Puts an instance, and what is new in its event log, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when its server is not there.
    async fn put_instance(&self, row: &InstanceRow) -> Result<(), StoreError> {
        self.put_instances(std::slice::from_ref(row)).await
    }
    /// Puts several instances in one transaction, as [`Self::put_instance`] does one. Those whose server is
    /// not there are an error for all.
    async fn put_instances(&self, rows: &[InstanceRow]) -> Result<(), StoreError>;
    /// Removes an instance and its checks; its events stay, within [`EVENTS_PER_SERVER_MAX`]. Does nothing
    /// when there is none.
    async fn delete_instance(&self, id: &InstanceId) -> Result<(), StoreError>;

    /// Adds an event that is about a server and none of its instances; one that repeats the last such
    /// event raises its count (behaviour 2.6).
    async fn append_server_event(
        &self,
        server: &ServerName,
        event: &EventDraft,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// The last `limit` events, newest last: of one server, with those of its instances that are gone, or
    /// of all servers.
    async fn list_events(
        &self,
        server: Option<&ServerName>,
        limit: usize,
    ) -> Result<Vec<EventRow>, StoreError>;

    /// Adds checks in one transaction and keeps the last [`CHECKS_MAX`] of each instance. Checks of
    /// instances that are gone are dropped.
    async fn append_checks(&self, checks: &[(InstanceId, CheckRecord)]) -> Result<(), StoreError>;
    /// The kept checks of an instance, newest first.
    async fn list_checks(&self, instance: &InstanceId) -> Result<Vec<CheckRecord>, StoreError>;

    /// What the probe remembers about the server; empty where it never wrote.
    async fn load_probe_state(&self, server: &ServerName, probe: &str) -> Result<ProbeState, StoreError>;
    /// Replaces all that the probe remembers about the server. Dropped when the server is gone.
    async fn replace_probe_state(
        &self,
        server: &ServerName,
        probe: &str,
        state: &ProbeState,
    ) -> Result<(), StoreError>;

    /// All secrets, without their values.
    async fn list_secrets(&self) -> Result<Vec<SecretRow>, StoreError>;
    /// The secret of that name.
    async fn find_secret(&self, name: &str) -> Result<Option<SecretRow>, StoreError>;
    /// The sealed value of one key.
    async fn find_sealed_value(&self, secret: &str, key: &str) -> Result<Option<SealedValue>, StoreError>;
    /// The keys of a secret that have a sealed value, sorted.
    async fn list_sealed_keys(&self, secret: &str) -> Result<Vec<String>, StoreError>;
    /// Whether any sealed value is kept, so that losing its key would lose it.
    async fn has_sealed_values(&self) -> Result<bool, StoreError>;

    /// All secret backends that were made by a manifest.
    async fn list_backends(&self) -> Result<Vec<BackendRow>, StoreError>;
    /// The secret backend of that name, if it was made by a manifest.
    async fn find_backend(&self, name: &str) -> Result<Option<BackendRow>, StoreError>;
}
