//! The runs there are and were, by instance.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcpd_core::name::InstanceId;
use mcpd_core::secret::Redactor;
use tokio::sync::{mpsc, watch};

use super::Clock;
use super::guard::wire::Word;
use super::run::{Run, RunState, WORDS_MAX};
use crate::runtime::log::LogBook;
use crate::runtime::{Owned, RunNumbers};

/// All that is kept of instances until they are removed.
pub(super) struct Runs {
    instances: Mutex<HashMap<InstanceId, Kept>>,
    numbers: RunNumbers,
    now: Clock,
}

struct Kept {
    book: Arc<LogBook>,
    run: Run,
}

/// A new run: the hold on it, and what its keeper gets.
pub(super) struct Claim {
    pub(super) run: Run,
    pub(super) book: Arc<LogBook>,
    pub(super) words: mpsc::Receiver<Word>,
    pub(super) state: watch::Sender<RunState>,
}

impl Runs {
    /// None yet; log lines get their time from `now`.
    pub(super) fn new(now: Clock, numbers: RunNumbers) -> Self {
        Self { instances: Mutex::default(), numbers, now }
    }

    /// Opens a run for the instance, unless one is there that is not proved gone (behaviour 5.3).
    pub(super) fn claim(&self, instance: &InstanceId, redactor: Redactor) -> Option<Claim> {
        let mut instances = self.lock();
        let kept = instances.get(instance);
        if kept.is_some_and(|kept| kept.run.state() != RunState::Gone) {
            return None;
        }
        let book = kept.map_or_else(|| Arc::new(LogBook::new(self.now.clone())), |kept| kept.book.clone());
        book.turn_page(redactor);
        let (words, heard) = mpsc::channel(WORDS_MAX);
        let (state, seen) = watch::channel(RunState::Starting);
        let number = self.numbers.next();
        let run = Run { number, words, state: seen };
        instances.insert(instance.clone(), Kept { book: book.clone(), run: run.clone() });
        Some(Claim { run, book, words: heard, state })
    }

    /// The last run of the instance.
    pub(super) fn find(&self, instance: &InstanceId) -> Option<Run> {
        self.lock().get(instance).map(|kept| kept.run.clone())
    }

    /// The last run of the instance, where its server has ended.
    pub(super) fn find_ending(&self, instance: &InstanceId) -> Option<Run> {
        self.find(instance).filter(|run| run.state() >= RunState::Exited)
    }

    /// The log of the instance.
    pub(super) fn find_book(&self, instance: &InstanceId) -> Option<Arc<LogBook>> {
        self.lock().get(instance).map(|kept| kept.book.clone())
    }

    /// Forgets the instance, and ends those who follow its log.
    pub(super) fn forget(&self, instance: &InstanceId) {
        if let Some(kept) = self.lock().remove(instance) {
            kept.book.close();
        }
    }

    /// The runs that are not proved gone.
    pub(super) fn list(&self) -> Vec<Owned> {
        let owned = |(instance, kept): (&InstanceId, &Kept)| {
            let presence = kept.run.presence()?;
            Some(Owned { instance: instance.clone(), run: kept.run.number, presence })
        };
        self.lock().iter().filter_map(owned).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Kept>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
