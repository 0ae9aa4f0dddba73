//! What the store that forgets holds, and how changes are made to it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use mcpd_core::check::CheckRecord;
use mcpd_core::event::{EventDraft, EventLog};
use mcpd_core::name::{InstanceId, ServerName};

use crate::store::{
    BackendDraft, BackendRow, Change, EVENTS_OF_GONE_SERVERS_MAX, EVENTS_PER_SERVER_MAX, EventRow, Expected,
    InstanceRow, MetaKey, Object, ProbeState, SealedValue, SealedValues, SecretDraft, SecretRow, ServerDraft,
    ServerRow, StoreError,
};

#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) meta: Vec<(MetaKey, String)>,
    pub(super) servers: BTreeMap<ServerName, ServerRow>,
    pub(super) secrets: BTreeMap<String, SecretRow>,
    pub(super) sealed: BTreeMap<(String, String), SealedValue>,
    pub(super) backends: BTreeMap<String, BackendRow>,
    pub(super) instances: BTreeMap<InstanceId, InstanceRow>,
    /// Of instances that are gone, and of servers as a whole; the others are in the instances.
    pub(super) events: Vec<EventRow>,
    pub(super) checks: HashMap<InstanceId, Vec<CheckRecord>>,
    pub(super) probes: HashMap<(ServerName, String), ProbeState>,
}

impl State {
    pub(super) fn make(&mut self, change: &Change, now: Timestamp) -> Result<i64, StoreError> {
        let object = change.object();
        match change {
            Change::PutServer(draft, expected) => self.put_server(draft, *expected, now),
            Change::DeleteServer(name, expected) => {
                let row = self.servers.get_mut(name);
                expected.check_delete(object.clone(), row.as_ref().map(|row| row.version))?;
                let row = row.ok_or(StoreError::NotFound(object))?;
                (row.deleting, row.updated_at) = (true, now);
                Ok(row.version)
            }
            Change::RestartServer(name) => match self.servers.get_mut(name) {
                None => Err(StoreError::NotFound(object)),
                Some(row) if row.deleting => Err(StoreError::Deleting(object)),
                Some(row) => {
                    (row.restart_nonce, row.updated_at) = (row.restart_nonce + 1, now);
                    Ok(row.version)
                }
            },
            Change::PutSecret(draft, expected) => self.put_secret(draft, *expected, now),
            Change::DeleteSecret(name, expected) => {
                expected.check_delete(object, self.secrets.get(name).map(|row| row.version))?;
                self.secrets.remove(name);
                self.sealed.retain(|(secret, _), _| secret != name);
                Ok(0)
            }
            Change::PutBackend(draft, expected) => self.put_backend(draft, *expected, now),
            Change::DeleteBackend(name, expected) => {
                expected.check_delete(object.clone(), self.backends.get(name).map(|row| row.version))?;
                if let Some(user) = self.secrets.values().find(|row| row.backend == *name) {
                    return Err(StoreError::InUse { object, by: Object::Secret(user.name.clone()) });
                }
                self.backends.remove(name);
                Ok(0)
            }
        }
    }

    fn put_server(
        &mut self,
        draft: &ServerDraft,
        expected: Expected,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let object = Object::Server(draft.name.to_string());
        let old = self.servers.get(&draft.name);
        if old.is_some_and(|row| row.deleting) {
            return Err(StoreError::Deleting(object));
        }
        expected.check_put(object, old.map(|row| row.version))?;
        let row = ServerRow {
            name: draft.name.clone(),
            manifest: draft.manifest.clone(),
            version: old.map_or(1, |row| row.version + 1),
            deleting: false,
            restart_nonce: old.map_or(0, |row| row.restart_nonce),
            applied: draft.applied || old.is_some_and(|row| row.applied),
            created_at: old.map_or(now, |row| row.created_at),
            updated_at: now,
        };
        let version = row.version;
        self.servers.insert(draft.name.clone(), row);
        Ok(version)
    }

    fn put_secret(
        &mut self,
        draft: &SecretDraft,
        expected: Expected,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let old = self.secrets.get(&draft.name);
        expected.check_put(Object::Secret(draft.name.clone()), old.map(|row| row.version))?;
        let mut keys = draft.keys.clone();
        keys.sort();
        let row = SecretRow {
            name: draft.name.clone(),
            backend: draft.backend.clone(),
            keys,
            version: old.map_or(1, |row| row.version + 1),
            applied: draft.applied || old.is_some_and(|row| row.applied),
            created_at: old.map_or(now, |row| row.created_at),
            updated_at: now,
        };
        let version = row.version;
        self.secrets.insert(draft.name.clone(), row);
        if let SealedValues::Replace(values) = &draft.values {
            self.sealed.retain(|(secret, _), _| *secret != draft.name);
            let place = |value: &SealedValue| (draft.name.clone(), value.key.clone());
            self.sealed.extend(values.iter().map(|value| (place(value), value.clone())));
        }
        Ok(version)
    }

    fn put_backend(
        &mut self,
        draft: &BackendDraft,
        expected: Expected,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let old = self.backends.get(&draft.name);
        expected.check_put(Object::Backend(draft.name.clone()), old.map(|row| row.version))?;
        let row = BackendRow {
            name: draft.name.clone(),
            backend_type: draft.backend_type.clone(),
            config: draft.config.clone(),
            is_default: draft.is_default,
            version: old.map_or(1, |row| row.version + 1),
            applied: draft.applied || old.is_some_and(|row| row.applied),
            created_at: old.map_or(now, |row| row.created_at),
            updated_at: now,
        };
        if draft.is_default {
            self.backends.values_mut().for_each(|row| row.is_default = false);
        }
        let version = row.version;
        self.backends.insert(draft.name.clone(), row);
        Ok(version)
    }

    pub(super) fn delete_instance(&mut self, id: &InstanceId) {
        if let Some(row) = self.instances.remove(id) {
            self.events.extend(log_of(&row));
            self.checks.remove(id);
            self.prune_server(&row.instance.server);
        }
    }

    pub(super) fn append_server_event(&mut self, server: &ServerName, draft: &EventDraft, now: Timestamp) {
        let is_of_server = |row: &&mut EventRow| row.instance.is_none() && row.server == *server;
        let newest = self.events.iter_mut().rfind(is_of_server);
        let mut log = EventLog::from_events(newest.as_ref().map(|row| row.event.clone()));
        log.push(draft.clone(), now);
        let Some(event) = log.last().cloned() else { return };
        match newest {
            Some(row) if log.iter().count() == 1 => row.event = event,
            _ => self.events.push(EventRow { server: server.clone(), instance: None, event }),
        }
        self.prune_server(server);
        self.prune_gone_servers();
    }

    fn prune_server(&mut self, server: &ServerName) {
        prune(&mut self.events, EVENTS_PER_SERVER_MAX, |row| row.server == *server);
    }

    pub(super) fn prune_gone_servers(&mut self) {
        let servers = &self.servers;
        prune(&mut self.events, EVENTS_OF_GONE_SERVERS_MAX, |row| !servers.contains_key(&row.server));
    }
}

/// Keeps the last `kept` of the rows that match.
fn prune(rows: &mut Vec<EventRow>, kept: usize, matches: impl Fn(&EventRow) -> bool) {
    let mut surplus = rows.iter().filter(|row| matches(row)).count().saturating_sub(kept);
    rows.retain(|row| {
        let goes = surplus > 0 && matches(row);
        surplus -= usize::from(goes);
        !goes
    });
}

pub(super) fn log_of(row: &InstanceRow) -> impl Iterator<Item = EventRow> {
    let (server, instance) = (&row.instance.server, &row.instance.id);
    row.instance.events.iter().map(move |event| EventRow {
        server: server.clone(),
        instance: Some(instance.clone()),
        event: event.clone(),
    })
}
