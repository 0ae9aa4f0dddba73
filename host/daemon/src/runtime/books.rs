//! The logs of all instances of a runtime, kept until the instance is removed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcpd_core::name::InstanceId;

use super::log::LogBook;
use super::{Clock, RuntimeError};

/// One log for each instance.
pub(super) struct Books {
    books: Mutex<HashMap<InstanceId, Arc<LogBook>>>,
    now: Clock,
}

impl Books {
    /// None yet; log lines get their time from `now`.
    pub(super) fn new(now: Clock) -> Self {
        Self { books: Mutex::default(), now }
    }

    /// The log of the instance; an empty one where there was none.
    pub(super) fn open(&self, instance: &InstanceId) -> Arc<LogBook> {
        let new = || Arc::new(LogBook::new(self.now.clone()));
        Arc::clone(self.lock().entry(instance.clone()).or_insert_with(new))
    }

    /// The log of the instance.
    pub(super) fn find(&self, instance: &InstanceId) -> Option<Arc<LogBook>> {
        self.lock().get(instance).cloned()
    }

    /// The log of the instance, which is not known where there is none.
    pub(super) fn get(&self, instance: &InstanceId) -> Result<Arc<LogBook>, RuntimeError> {
        let unknown = || RuntimeError::UnknownInstance { instance: instance.clone() };
        self.find(instance).ok_or_else(unknown)
    }

    /// Forgets the log, and ends those who follow it.
    pub(super) fn forget(&self, instance: &InstanceId) {
        if let Some(book) = self.lock().remove(instance) {
            book.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Arc<LogBook>>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
