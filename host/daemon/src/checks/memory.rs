//! What probes remember about servers: shared by all instances of a server, kept in the store, and read from it
//! once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcpd_core::name::ServerName;
use mcpd_probe::{State, StateWrites};

use crate::store::Store;

/// The memories of all probes; each is bounded by the probe host.
#[derive(Debug)]
pub(super) struct Memory {
    store: Arc<dyn Store>,
    known: Mutex<HashMap<ServerName, HashMap<String, Arc<State>>>>,
    /// One writes after the other, or an older state could end up on the disk.
    writing: tokio::sync::Mutex<()>,
}

impl Memory {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Mutex::default(), writing: tokio::sync::Mutex::default() }
    }

    /// What the probe remembers about the server. Where it cannot be read now a check goes without, and the next
    /// one asks again.
    pub(super) async fn recall(&self, server: &ServerName, probe: &str) -> Arc<State> {
        if let Some(state) = self.find(server, probe) {
            return state;
        }
        match self.store.load_probe_state(server, probe).await {
            Ok(state) => {
                let mut known = self.lock();
                let of_server = known.entry(server.clone()).or_default();
                Arc::clone(of_server.entry(probe.to_owned()).or_insert_with(|| Arc::new(state)))
            }
            Err(error) => {
                tracing::warn!(%server, probe, %error, "state of a probe not read");
                Arc::default()
            }
        }
    }

    /// Keeps what a check wrote, over what other instances of the server wrote meanwhile. What was never read is
    /// not written either: it would be lost.
    pub(super) async fn keep(&self, server: &ServerName, probe: &str, writes: StateWrites) {
        if writes.is_empty() {
            return;
        }
        let _turn = self.writing.lock().await;
        let Some(before) = self.find(server, probe) else {
            tracing::warn!(%server, probe, "state of a probe not kept, for it was not read");
            return;
        };
        let after = Arc::new(written(&before, writes));
        if let Err(error) = self.store.replace_probe_state(server, probe, &after).await {
            tracing::warn!(%server, probe, %error, "state of a probe not written, only kept until the end");
        }
        if let Some(state) = self.lock().get_mut(server).and_then(|of_server| of_server.get_mut(probe)) {
            *state = after;
        }
    }

    /// The server is gone.
    pub(super) fn forget(&self, server: &ServerName) {
        self.lock().remove(server);
    }

    fn find(&self, server: &ServerName, probe: &str) -> Option<Arc<State>> {
        self.lock().get(server)?.get(probe).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServerName, HashMap<String, Arc<State>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn written(before: &State, writes: StateWrites) -> State {
    let mut state = before.clone();
    for (key, value) in writes {
        match value {
            Some(value) => state.insert(key, value),
            None => state.remove(&key),
        };
    }
    state
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::memory::MemoryStore;
    use crate::store::{Change, Expected, ServerDraft};

    async fn store() -> Arc<MemoryStore> {
        let store = Arc::<MemoryStore>::default();
        let draft = ServerDraft { name: "demo".into(), manifest: "{}".to_owned(), applied: false };
        store.write(&[Change::PutServer(draft, Expected::Any)], Timestamp::UNIX_EPOCH).await.unwrap();
        store
    }

    #[tokio::test]
    async fn what_a_check_wrote_is_there_for_the_next_one_and_after_a_restart() {
        let (store, demo) = (store().await, ServerName::from("demo"));
        let memory = Memory::new(store.clone());
        assert!(memory.recall(&demo, "echo").await.is_empty());
        memory.keep(&demo, "echo", [("a".into(), Some(vec![1])), ("b".into(), Some(vec![2]))].into()).await;
        memory.keep(&demo, "echo", [("b".into(), None), ("c".into(), Some(vec![3]))].into()).await;
        let kept = State::from([("a".into(), vec![1]), ("c".into(), vec![3])]);
        assert_eq!(*memory.recall(&demo, "echo").await, kept);
        assert_eq!(*Memory::new(store).recall(&demo, "echo").await, kept);
        assert!(memory.recall(&demo, "other").await.is_empty());
    }

    #[tokio::test]
    async fn what_was_not_read_is_not_overwritten_and_what_is_forgotten_does_not_come_back() {
        let (store, demo) = (store().await, ServerName::from("demo"));
        let memory = Memory::new(store.clone());
        memory.keep(&demo, "echo", [("a".into(), Some(vec![1]))].into()).await;
        assert!(store.load_probe_state(&demo, "echo").await.unwrap().is_empty());
        memory.recall(&demo, "echo").await;
        memory.forget(&demo);
        memory.keep(&demo, "echo", [("a".into(), Some(vec![1]))].into()).await;
        assert!(memory.recall(&demo, "echo").await.is_empty());
    }
}
