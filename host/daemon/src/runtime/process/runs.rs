//! The runs there are and were, by instance.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcpd_core::name::InstanceId;
use mcpd_core::secret::Redactor;
use tokio::sync::{mpsc, watch};

use super::Clock;
use super::guard::wire::Word;
use super::run::{Run, RunState, WORDS_MAX};
use crate::runtime::books::Books;
use crate::runtime::log::LogBook;
use crate::runtime::{Owned, RunNumbers};

/// All that is kept of instances until they are removed.
pub(super) struct Runs {
    by_instance: Mutex<HashMap<InstanceId, Run>>,
    books: Books,
    numbers: RunNumbers,
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
        Self { by_instance: Mutex::default(), books: Books::new(now), numbers }
    }

    /// Opens a run for the instance, unless one is there that is not proved gone (behaviour 5.3).
    pub(super) fn claim(&self, instance: &InstanceId, redactor: Redactor) -> Option<Claim> {
        let mut by_instance = self.lock();
        if by_instance.get(instance).is_some_and(|run| run.state() != RunState::Gone) {
            return None;
        }
        let book = self.books.open(instance);
        book.turn_page(redactor);
        let (words, heard) = mpsc::channel(WORDS_MAX);
        let (state, seen) = watch::channel(RunState::Starting);
        let number = self.numbers.next();
        let run = Run { number, words, state: seen };
        by_instance.insert(instance.clone(), run.clone());
        Some(Claim { run, book, words: heard, state })
    }

    /// The last run of the instance.
    pub(super) fn find(&self, instance: &InstanceId) -> Option<Run> {
        self.lock().get(instance).cloned()
    }

    /// The last run of the instance, where its server has ended.
    pub(super) fn find_ending(&self, instance: &InstanceId) -> Option<Run> {
        self.find(instance).filter(|run| run.state() >= RunState::Exited)
    }

    /// The logs of all instances.
    pub(super) fn books(&self) -> &Books {
        &self.books
    }

    /// Forgets the instance, and ends those who follow its log.
    pub(super) fn forget(&self, instance: &InstanceId) {
        self.lock().remove(instance);
        self.books.forget(instance);
    }

    /// The runs that are not proved gone.
    pub(super) fn list(&self) -> Vec<Owned> {
        let owned = |(instance, run): (&InstanceId, &Run)| {
            let presence = run.presence()?;
            Some(Owned { instance: instance.clone(), run: run.number, presence })
        };
        self.lock().iter().filter_map(owned).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Run>> {
        self.by_instance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
