//! A store that forgets: for tests with paused time, which a thread of a database would not wait for, and
//! for measuring what is not the disk's.

mod state;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use mcpd_core::check::CheckRecord;
use mcpd_core::event::EventDraft;
use mcpd_core::name::{InstanceId, ServerName};

use super::{
    BackendRow, CHECKS_MAX, Change, EventRow, InstanceRow, MetaKey, Object, ProbeState, SealedValue,
    SecretRow, ServerRow, Store, StoreError,
};
use state::{State, log_of};

/// Everything in memory, behind one lock that is never held across a wait.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    is_broken: AtomicBool,
}

impl MemoryStore {
    /// From now on it takes nothing of what becomes of instances, or takes it again.
    pub fn set_broken(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_broken.load(Ordering::Relaxed) {
            let doing = "writing into a store that was broken on purpose".to_owned();
            return Err(StoreError::Failed { doing, source: "broken".into() });
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn find_meta(&self, key: MetaKey) -> Result<Option<String>, StoreError> {
        Ok(self.state().meta.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone()))
    }

    async fn put_meta(&self, key: MetaKey, value: &str) -> Result<(), StoreError> {
        let meta = &mut self.state().meta;
        meta.retain(|(known, _)| *known != key);
        meta.push((key, value.to_owned()));
        Ok(())
    }

    async fn write(&self, changes: &[Change], now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let mut state = self.state();
        let mut next = state.clone();
        let versions = changes.iter().map(|change| next.make(change, now)).collect::<Result<_, _>>()?;
        *state = next;
        Ok(versions)
    }

    async fn list_servers(&self) -> Result<Vec<ServerRow>, StoreError> {
        Ok(self.state().servers.values().cloned().collect())
    }

    async fn find_server(&self, name: &ServerName) -> Result<Option<ServerRow>, StoreError> {
        Ok(self.state().servers.get(name).cloned())
    }

    async fn forget_server(&self, name: &ServerName) -> Result<(), StoreError> {
        let mut state = self.state();
        match state.servers.get(name) {
            None => return Ok(()),
            Some(row) if !row.deleting => {
                return Err(StoreError::NotDeleting(Object::Server(name.to_string())));
            }
            Some(_) => {}
        }
        let of_server = state.instances.values().filter(|row| row.instance.server == *name);
        for id in of_server.map(|row| row.instance.id.clone()).collect::<Vec<_>>() {
            state.delete_instance(&id);
        }
        state.servers.remove(name);
        state.probes.retain(|(server, _), _| server != name);
        state.prune_gone_servers();
        Ok(())
    }

    async fn list_instances(&self) -> Result<Vec<InstanceRow>, StoreError> {
        let mut rows: Vec<_> = self.state().instances.values().cloned().collect();
        rows.sort_by_key(|row| {
            (row.instance.server.clone(), row.instance.created_at, row.instance.id.clone())
        });
        Ok(rows)
    }

    async fn put_instances(&self, rows: &[InstanceRow]) -> Result<(), StoreError> {
        self.check()?;
        let mut state = self.state();
        if let Some(lost) = rows.iter().find(|row| !state.servers.contains_key(&row.instance.server)) {
            return Err(StoreError::NotFound(Object::Server(lost.instance.server.to_string())));
        }
        state.instances.extend(rows.iter().map(|row| (row.instance.id.clone(), row.clone())));
        Ok(())
    }

    async fn delete_instance(&self, id: &InstanceId) -> Result<(), StoreError> {
        self.check()?;
        self.state().delete_instance(id);
        Ok(())
    }

    async fn append_server_event(
        &self,
        server: &ServerName,
        event: &EventDraft,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.state().append_server_event(server, event, now);
        Ok(())
    }

    async fn list_events(
        &self,
        server: Option<&ServerName>,
        limit: usize,
    ) -> Result<Vec<EventRow>, StoreError> {
        let state = self.state();
        let mut rows = state.events.clone();
        rows.extend(state.instances.values().flat_map(log_of));
        rows.retain(|row| server.is_none_or(|name| row.server == *name));
        rows.sort_by_key(|row| row.event.last_timestamp);
        Ok(rows.split_off(rows.len().saturating_sub(limit)))
    }

    async fn append_checks(&self, checks: &[(InstanceId, CheckRecord)]) -> Result<(), StoreError> {
        self.check()?;
        let mut state = self.state();
        for (id, record) in checks {
            if state.instances.contains_key(id) {
                let kept = state.checks.entry(id.clone()).or_default();
                kept.insert(0, record.clone());
                kept.truncate(CHECKS_MAX);
            }
        }
        Ok(())
    }

    async fn list_checks(&self, instance: &InstanceId) -> Result<Vec<CheckRecord>, StoreError> {
        Ok(self.state().checks.get(instance).cloned().unwrap_or_default())
    }

    async fn load_probe_state(&self, server: &ServerName, probe: &str) -> Result<ProbeState, StoreError> {
        Ok(self.state().probes.get(&(server.clone(), probe.to_owned())).cloned().unwrap_or_default())
    }

    async fn replace_probe_state(
        &self,
        server: &ServerName,
        probe: &str,
        state: &ProbeState,
    ) -> Result<(), StoreError> {
        let mut all = self.state();
        if all.servers.contains_key(server) {
            all.probes.insert((server.clone(), probe.to_owned()), state.clone());
        }
        Ok(())
    }

    async fn list_secrets(&self) -> Result<Vec<SecretRow>, StoreError> {
        Ok(self.state().secrets.values().cloned().collect())
    }

    async fn find_secret(&self, name: &str) -> Result<Option<SecretRow>, StoreError> {
        Ok(self.state().secrets.get(name).cloned())
    }

    async fn find_sealed_value(&self, secret: &str, key: &str) -> Result<Option<SealedValue>, StoreError> {
        Ok(self.state().sealed.get(&(secret.to_owned(), key.to_owned())).cloned())
    }

    async fn list_sealed_keys(&self, secret: &str) -> Result<Vec<String>, StoreError> {
        let state = self.state();
        let of_secret = state.sealed.keys().filter(|(name, _)| name == secret);
        Ok(of_secret.map(|(_, key)| key.clone()).collect())
    }

    async fn has_sealed_values(&self) -> Result<bool, StoreError> {
        Ok(!self.state().sealed.is_empty())
    }

    async fn list_backends(&self) -> Result<Vec<BackendRow>, StoreError> {
        Ok(self.state().backends.values().cloned().collect())
    }

    async fn find_backend(&self, name: &str) -> Result<Option<BackendRow>, StoreError> {
        Ok(self.state().backends.get(name).cloned())
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};

    use super::MemoryStore;
    use crate::store::conformance::conformance;

    fn fresh() -> Ready<(MemoryStore, ())> {
        ready((MemoryStore::default(), ()))
    }

    conformance!(fresh);
}
