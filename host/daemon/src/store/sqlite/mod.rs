//! The store in one SQLite file: the default, with nothing to set up.
//!
//! One connection writes and a few read, so that nobody waits for a lock that a sibling holds. WAL keeps
//! readers and the writer apart; `synchronous = FULL` puts every commit on the disk before it is
//! acknowledged. Statements are plain SQL with numbered parameters, one file for each kind of row.

mod backends;
mod checks;
mod columns;
mod events;
mod fault;
mod instances;
mod meta;
mod open;
mod phase;
mod probe_state;
mod secrets;
mod servers;
#[cfg(test)]
mod tests;
mod write;

use async_trait::async_trait;
use jiff::Timestamp;
use mcpd_core::check::CheckRecord;
use mcpd_core::event::EventDraft;
use mcpd_core::name::{InstanceId, ServerName};
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

use super::{
    BackendRow, Change, EventRow, InstanceRow, MetaKey, ProbeState, STORE_DEADLINE, SealedValue, SecretRow,
    ServerRow, Store, StoreError,
};
use fault::Fault;
pub use open::OpenError;

/// A store in one SQLite file; cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Waits for what is under way, and leaves one file that holds everything.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, Fault> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// Gives a call its deadline, and its error the words of what was being done.
async fn bounded<T>(
    doing: String,
    call: impl Future<Output = Result<T, Fault>> + Send,
) -> Result<T, StoreError> {
    match tokio::time::timeout(STORE_DEADLINE, call).await {
        Ok(outcome) => outcome.map_err(|fault| fault.into_error(doing)),
        Err(_) => Err(StoreError::Deadline { doing, seconds: STORE_DEADLINE.as_secs() }),
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> Result<(), StoreError> {
        bounded("asking whether the store answers".into(), async {
            sqlx::query("SELECT 1").execute(&self.readers).await?;
            Ok(())
        })
        .await
    }

    async fn find_meta(&self, key: MetaKey) -> Result<Option<String>, StoreError> {
        bounded(format!("reading {key:?}"), meta::find(&self.readers, key)).await
    }

    async fn put_meta(&self, key: MetaKey, value: &str) -> Result<(), StoreError> {
        bounded(format!("writing {key:?}"), meta::put(&self.writer, key, value)).await
    }

    async fn write(&self, changes: &[Change], now: Timestamp) -> Result<Vec<i64>, StoreError> {
        bounded(write::doing(changes), async {
            let mut tx = self.begin().await?;
            let versions = write::make_all(&mut tx, changes, now).await?;
            tx.commit().await?;
            Ok(versions)
        })
        .await
    }

    async fn list_servers(&self) -> Result<Vec<ServerRow>, StoreError> {
        bounded("listing servers".into(), servers::list(&self.readers)).await
    }

    async fn find_server(&self, name: &ServerName) -> Result<Option<ServerRow>, StoreError> {
        bounded(format!("reading server {name}"), servers::find(&self.readers, name)).await
    }

    async fn forget_server(&self, name: &ServerName) -> Result<(), StoreError> {
        bounded(format!("forgetting server {name}"), async {
            let mut tx = self.begin().await?;
            servers::forget(&mut tx, name).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn list_instances(&self) -> Result<Vec<InstanceRow>, StoreError> {
        bounded("listing instances".into(), async {
            // One snapshot, so that no event log is younger than its instance.
            let mut tx = self.readers.begin().await?;
            instances::list(&mut tx).await
        })
        .await
    }

    async fn put_instances(&self, rows: &[InstanceRow]) -> Result<(), StoreError> {
        let names: Vec<&str> = rows.iter().take(3).map(|row| row.instance.id.as_str()).collect();
        bounded(format!("writing {} instances ({} …)", rows.len(), names.join(", ")), async {
            let mut tx = self.begin().await?;
            for row in rows {
                instances::put(&mut tx, row).await?;
                events::put_log(&mut tx, &row.instance).await?;
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn delete_instance(&self, id: &InstanceId) -> Result<(), StoreError> {
        bounded(format!("deleting instance {id}"), async {
            let mut tx = self.begin().await?;
            instances::delete(&mut tx, id).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn append_server_event(
        &self,
        server: &ServerName,
        event: &EventDraft,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        bounded(format!("writing an event of server {server}"), async {
            let mut tx = self.begin().await?;
            events::append_to_server(&mut tx, server, event, now).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn list_events(
        &self,
        server: Option<&ServerName>,
        limit: usize,
    ) -> Result<Vec<EventRow>, StoreError> {
        bounded("listing events".into(), events::list(&self.readers, server, limit)).await
    }

    async fn append_checks(&self, checks: &[(InstanceId, CheckRecord)]) -> Result<(), StoreError> {
        bounded(format!("writing {} checks", checks.len()), async {
            let mut tx = self.begin().await?;
            checks::append(&mut tx, checks).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn list_checks(&self, instance: &InstanceId) -> Result<Vec<CheckRecord>, StoreError> {
        bounded(format!("listing checks of {instance}"), checks::list(&self.readers, instance)).await
    }

    async fn load_probe_state(&self, server: &ServerName, probe: &str) -> Result<ProbeState, StoreError> {
        let doing = format!("reading the state of probe {probe} about {server}");
        bounded(doing, probe_state::load(&self.readers, server, probe)).await
    }

    async fn replace_probe_state(
        &self,
        server: &ServerName,
        probe: &str,
        state: &ProbeState,
    ) -> Result<(), StoreError> {
        bounded(format!("writing the state of probe {probe} about {server}"), async {
            let mut tx = self.begin().await?;
            probe_state::replace(&mut tx, server, probe, state).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn list_secrets(&self) -> Result<Vec<SecretRow>, StoreError> {
        bounded("listing secrets".into(), secrets::list(&self.readers)).await
    }

    async fn find_secret(&self, name: &str) -> Result<Option<SecretRow>, StoreError> {
        bounded(format!("reading secret {name}"), secrets::find(&self.readers, name)).await
    }

    async fn find_sealed_value(&self, secret: &str, key: &str) -> Result<Option<SealedValue>, StoreError> {
        let doing = format!("reading key {key} of secret {secret}");
        bounded(doing, secrets::find_sealed(&self.readers, secret, key)).await
    }

    async fn list_sealed_keys(&self, secret: &str) -> Result<Vec<String>, StoreError> {
        bounded(format!("listing keys of secret {secret}"), secrets::sealed_keys(&self.readers, secret)).await
    }

    async fn has_sealed_values(&self) -> Result<bool, StoreError> {
        bounded("looking for sealed values".into(), secrets::has_sealed(&self.readers)).await
    }

    async fn list_backends(&self) -> Result<Vec<BackendRow>, StoreError> {
        bounded("listing secret backends".into(), backends::list(&self.readers)).await
    }

    async fn find_backend(&self, name: &str) -> Result<Option<BackendRow>, StoreError> {
        bounded(format!("reading secret backend {name}"), backends::find(&self.readers, name)).await
    }
}
