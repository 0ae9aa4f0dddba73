//! The small memory of a probe about a server: a snapshot to read, and writes that wait for a verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use thiserror::Error;

/// All keys and values of one probe and one server.
const STATE_BYTES_MAX: usize = 64 * 1024;
const KEY_BYTES_MAX: usize = 256;

/// What a probe kept about a server.
pub type State = BTreeMap<String, Vec<u8>>;

/// What a check changed: a new value, or `None` where the key was deleted.
pub type StateWrites = BTreeMap<String, Option<Vec<u8>>>;

/// Why a write was refused.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum StateRefusal {
    #[error("a key of the state has 1 to {KEY_BYTES_MAX} bytes")]
    Key,
    #[error("the state of a probe about a server has {} KiB at most", STATE_BYTES_MAX / 1024)]
    Full,
}

/// The state of one check.
pub(crate) struct CheckState {
    snapshot: Arc<State>,
    writes: StateWrites,
}

impl CheckState {
    pub(crate) fn new(snapshot: Arc<State>) -> Self {
        Self { snapshot, writes: StateWrites::new() }
    }

    pub(crate) fn find(&self, key: &str) -> Option<&Vec<u8>> {
        match self.writes.get(key) {
            Some(write) => write.as_ref(),
            None => self.snapshot.get(key),
        }
    }

    pub(crate) fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), StateRefusal> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(StateRefusal::Key);
        }
        let current = self.find(&key).map_or(0, |value| key.len() + value.len());
        if self.bytes() - current + key.len() + value.len() > STATE_BYTES_MAX {
            return Err(StateRefusal::Full);
        }
        self.writes.insert(key, Some(value));
        Ok(())
    }

    /// Only a key that is there leaves a mark: deleting made-up keys must not grow anything.
    pub(crate) fn delete(&mut self, key: &str) {
        if self.snapshot.contains_key(key) {
            self.writes.insert(key.to_owned(), None);
        } else {
            self.writes.remove(key);
        }
    }

    pub(crate) fn into_writes(self) -> StateWrites {
        self.writes
    }

    fn bytes(&self) -> usize {
        let kept = self.snapshot.iter().filter(|(key, _)| !self.writes.contains_key(*key));
        let kept: usize = kept.map(|(key, value)| key.len() + value.len()).sum();
        let written = self.writes.iter().filter_map(|(key, value)| Some(key.len() + value.as_ref()?.len()));
        kept + written.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_cover_the_snapshot_without_touching_it() {
        let snapshot = Arc::new(State::from([("a".into(), vec![1]), ("b".into(), vec![2])]));
        let mut state = CheckState::new(snapshot.clone());
        state.set("a".into(), vec![9]).unwrap();
        state.delete("b");
        state.delete("never there");
        assert_eq!(state.find("a"), Some(&vec![9]));
        assert_eq!(state.find("b"), None);
        assert_eq!(snapshot["a"], vec![1]);
        assert_eq!(state.into_writes(), [("a".into(), Some(vec![9])), ("b".into(), None)].into());
    }

    #[test]
    fn the_sum_is_limited_and_replacing_or_deleting_makes_room() {
        let mut state = CheckState::new(Arc::default());
        state.set("a".into(), vec![0; 60_000]).unwrap();
        assert_eq!(state.set("b".into(), vec![0; 6_000]), Err(StateRefusal::Full));
        state.set("a".into(), vec![0; 1_000]).unwrap();
        state.set("b".into(), vec![0; 6_000]).unwrap();
        state.delete("b");
        state.set("c".into(), vec![0; 64_000]).unwrap();
        assert_eq!(state.set("k".repeat(257), vec![]), Err(StateRefusal::Key));
    }
}
