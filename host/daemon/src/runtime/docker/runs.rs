//! The runs there are and were, by instance.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mcpd_core::name::InstanceId;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::runtime::RunNumbers;

/// Signs that wait for a keeper. It looks at the container for each, so one of several that are lost is enough.
const SIGNS_MAX: usize = 8;

/// How far a run is. It only ever moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RunState {
    Starting,
    Running,
    /// Its container has ended, and is being removed.
    Exited,
    /// Nothing of it is kept any more.
    Gone,
}

/// A reason to look at a container.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sign {
    /// The engine said that something in it took more memory than there is; it comes before the end.
    OutOfMemory,
    /// The engine said that it ended, with this code.
    Died(Option<i64>),
    /// It may have ended.
    Look,
}

/// The hold that the runtime has on a run; its keeper has the other end of each part.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) number: u64,
    state: watch::Receiver<RunState>,
    signs: mpsc::Sender<Sign>,
    let_go: CancellationToken,
    container: Arc<OnceLock<String>>,
    is_told: Arc<AtomicBool>,
    attachment: Arc<Mutex<CancellationToken>>,
}

/// A new run: the hold on it, and what its keeper gets.
pub(super) struct Claim {
    pub(super) run: Run,
    pub(super) state: watch::Sender<RunState>,
    pub(super) signs: mpsc::Receiver<Sign>,
}

impl Run {
    fn open(number: u64, let_go: CancellationToken) -> Claim {
        let (state, seen) = watch::channel(RunState::Starting);
        let (signs, heard) = mpsc::channel(SIGNS_MAX);
        let run = Self {
            number,
            state: seen,
            signs,
            let_go,
            container: Arc::default(),
            is_told: Arc::default(),
            attachment: Arc::default(),
        };
        Claim { run, state, signs: heard }
    }

    /// How far it is; one without a keeper is gone.
    pub(super) fn state(&self) -> RunState {
        if self.state.has_changed().is_err() { RunState::Gone } else { *self.state.borrow() }
    }

    /// Whether it comes as far as `state` within `limit`.
    pub(super) async fn reaches(&self, state: RunState, limit: Duration) -> bool {
        let mut seen = self.state.clone();
        let reached = seen.wait_for(|now| *now >= state);
        // A keeper that is gone has nothing left to do.
        timeout(limit, reached).await.is_ok()
    }

    /// Its container, once it has one.
    pub(super) fn container(&self) -> Option<&str> {
        self.container.get().map(String::as_str)
    }

    /// It has this container, now and for ever.
    pub(super) fn assign_container(&self, id: &str) {
        let _ = self.container.set(id.to_owned());
    }

    /// Its end was told; whoever finds its container has nothing to tell.
    pub(super) fn mark_told(&self) {
        self.is_told.store(true, Ordering::Relaxed);
    }

    /// Whether its end was told.
    pub(super) fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Relaxed)
    }

    /// Its streams are these now; those before are let go.
    pub(super) fn replace_attachment(&self, ended: CancellationToken) {
        let before = std::mem::replace(&mut *self.lock(), ended);
        before.cancel();
    }

    /// Cancelled when the last of its stderr is in the log.
    pub(super) fn attachment(&self) -> CancellationToken {
        self.lock().clone()
    }

    /// Has its container looked at.
    pub(super) fn sign(&self, sign: Sign) {
        // Where the queue is full it is looked at anyway; where it is closed it is over.
        let _ = self.signs.try_send(sign);
    }

    /// Gives up its start, or keeps it no longer; what runs goes on. Whether nothing is kept of it within `limit`.
    pub(super) async fn let_go_within(&self, limit: Duration) -> bool {
        self.let_go.cancel();
        self.reaches(RunState::Gone, limit).await
    }

    /// Whether it is kept no longer.
    pub(super) fn is_let_go(&self) -> bool {
        self.let_go.is_cancelled()
    }

    /// Resolves when it is kept no longer.
    pub(super) async fn until_let_go(&self) {
        self.let_go.cancelled().await;
    }

    fn lock(&self) -> MutexGuard<'_, CancellationToken> {
        self.attachment.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last run of each instance.
pub(super) struct Runs {
    by_instance: Mutex<HashMap<InstanceId, Run>>,
    numbers: RunNumbers,
    end: CancellationToken,
}

impl Runs {
    /// None yet; with `end` all are let go.
    pub(super) fn new(numbers: RunNumbers, end: CancellationToken) -> Self {
        Self { by_instance: Mutex::default(), numbers, end }
    }

    /// Opens a run for the instance, unless there is one (behaviour 5.3).
    pub(super) fn claim(&self, instance: &InstanceId) -> Option<Claim> {
        let mut runs = self.lock();
        if runs.get(instance).is_some_and(|run| run.state() != RunState::Gone) {
            return None;
        }
        let claim = Run::open(self.numbers.next(), self.end.child_token());
        runs.insert(instance.clone(), claim.run.clone());
        Some(claim)
    }

    /// The run of the instance, unless it is gone.
    pub(super) fn find(&self, instance: &InstanceId) -> Option<Run> {
        self.lock().get(instance).filter(|run| run.state() != RunState::Gone).cloned()
    }

    /// The run that has this container.
    pub(super) fn find_by_container(&self, id: &str) -> Option<Run> {
        self.lock().values().find(|run| run.container() == Some(id)).cloned()
    }

    /// The runs that were reported as running and have not ended since, as far as is known.
    pub(super) fn running(&self) -> Vec<Run> {
        self.lock().values().filter(|run| run.state() == RunState::Running).cloned().collect()
    }

    /// Forgets the run of the instance.
    pub(super) fn forget(&self, instance: &InstanceId) {
        self.lock().remove(instance);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InstanceId, Run>> {
        self.by_instance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
