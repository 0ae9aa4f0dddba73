//! Writes down what becomes of instances: in order, together, and as little as possible.
//!
//! One task owns the writing. Who changed an instance says so; the ledger then writes the instance as it is
//! at that moment, so that two changes in a row are one write, and an older state never overwrites a newer
//! one. A caller that must not go on before its change is safe waits for [`Ledger::persist`]; the path of
//! the checks does not wait.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcpd_core::check::CheckRecord;
use mcpd_core::name::InstanceId;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::Cell;
use crate::store::{InstanceRow, Store, StoreError};

/// How long changes nobody waits for are gathered; what a crash can lose of checks and health, which are
/// unknown after a start anyway (behaviour 6.9).
const GATHER: Duration = Duration::from_millis(200);

/// Checks that wait to be written; past this the oldest are dropped, for only the last 20 of each instance
/// are kept at all.
const CHECKS_QUEUED_MAX: usize = 4096;

/// How long after a failed write the next one is tried.
const RETRY: Duration = Duration::from_secs(1);

/// The way to the task that writes; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    pending: Mutex<Pending>,
    urgent: Notify,
    any: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    dirty: BTreeMap<InstanceId, Arc<Cell>>,
    gone: BTreeSet<InstanceId>,
    checks: VecDeque<(InstanceId, Arc<CheckRecord>)>,
    waiters: Vec<oneshot::Sender<Result<(), Arc<StoreError>>>>,
    /// Nobody writes any more, so nobody may wait.
    is_closed: bool,
}

impl Ledger {
    /// A ledger over a store; [`Ledger::write_until`] has to be run.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let shared = Shared { store, pending: Mutex::default(), urgent: Notify::new(), any: Notify::new() };
        Self(Arc::new(shared))
    }

    /// The instance changed; it is written soon.
    pub fn note(&self, cell: &Arc<Cell>) {
        let mut pending = self.lock();
        if cell.is_retired() {
            return;
        }
        pending.dirty.insert(cell.id.clone(), Arc::clone(cell));
        drop(pending);
        self.0.any.notify_one();
    }

    /// Everything noted so far is written at once, without waiting for more; the caller does not wait.
    pub fn hurry(&self) {
        self.0.urgent.notify_one();
    }

    /// A check was made; it is written soon, together with the health it led to.
    pub fn note_check(&self, cell: &Arc<Cell>, record: Arc<CheckRecord>) {
        let mut pending = self.lock();
        if cell.is_retired() {
            return;
        }
        pending.dirty.insert(cell.id.clone(), Arc::clone(cell));
        if pending.checks.len() == CHECKS_QUEUED_MAX {
            pending.checks.pop_front();
        }
        pending.checks.push_back((cell.id.clone(), record));
        drop(pending);
        self.0.any.notify_one();
    }

    /// The instance changed, and the caller goes on only when that is safe on disk.
    pub async fn persist(&self, cell: &Arc<Cell>) -> Result<(), Arc<StoreError>> {
        self.note(cell);
        self.flushed().await
    }

    /// The instance is gone, and so is its row when this returns; what is noted of it later brings no row back.
    pub async fn remove(&self, cell: &Cell) -> Result<(), Arc<StoreError>> {
        {
            let mut pending = self.lock();
            cell.retire();
            pending.dirty.remove(&cell.id);
            pending.checks.retain(|(id, _)| *id != cell.id);
            pending.gone.insert(cell.id.clone());
        }
        self.flushed().await
    }

    /// Everything noted so far is safe on disk when this returns.
    pub async fn flushed(&self) -> Result<(), Arc<StoreError>> {
        let Some(written) = self.lock().wait() else { return Err(closed()) };
        self.0.urgent.notify_one();
        written.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Writes until `end`, and then once more. What a store that fails did not take is tried again.
    pub async fn write_until(&self, end: CancellationToken) {
        while !end.is_cancelled() {
            tokio::select! {
                () = end.cancelled() => {}
                () = self.0.urgent.notified() => {}
                () = self.gathered() => {}
            }
            while self.write().await.is_err() && !end.is_cancelled() {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
        // Who changed something while the round before was written.
        let _ = self.write().await;
        let mut pending = self.lock();
        pending.is_closed = true;
        pending.waiters.clear();
    }

    async fn gathered(&self) {
        self.0.any.notified().await;
        tokio::time::sleep(GATHER).await;
    }

    /// One round; what could not be written is pending again, and those who wait are told.
    async fn write(&self) -> Result<(), Arc<StoreError>> {
        let pending = self.lock().take();
        let written = self.write_all(&pending).await.map_err(Arc::new);
        if let Err(error) = &written {
            tracing::error!(error = %error, "cannot write down what became of instances, trying again");
            self.put_back(&pending);
        }
        for waiter in pending.waiters {
            // Who does not wait any more need not know.
            let _ = waiter.send(written.clone());
        }
        written
    }

    async fn write_all(&self, pending: &Pending) -> Result<(), StoreError> {
        let store = &self.0.store;
        let rows: Vec<_> = pending.dirty.values().map(|cell| cell.row()).collect();
        if let Err(StoreError::NotFound(_)) = self.put(&rows).await? {
            // A server was forgotten meanwhile; what was noted of its instances is of no more use.
            for row in &rows {
                let _ = self.put(std::slice::from_ref(row)).await?;
            }
        }
        if !pending.checks.is_empty() {
            let checks: Vec<_> =
                pending.checks.iter().map(|(id, check)| (id.clone(), (**check).clone())).collect();
            store.append_checks(&checks).await?;
        }
        for id in &pending.gone {
            store.delete_instance(id).await?;
        }
        Ok(())
    }

    /// Puts rows; that a server is gone is told apart from a store that fails.
    async fn put(&self, rows: &[InstanceRow]) -> Result<Result<(), StoreError>, StoreError> {
        match self.0.store.put_instances(rows).await {
            Err(StoreError::NotFound(object)) => Ok(Err(StoreError::NotFound(object))),
            Err(error) => Err(error),
            Ok(()) => Ok(Ok(())),
        }
    }

    fn put_back(&self, failed: &Pending) {
        let mut pending = self.lock();
        for (id, cell) in &failed.dirty {
            if !cell.is_retired() {
                pending.dirty.entry(id.clone()).or_insert_with(|| Arc::clone(cell));
            }
        }
        pending.gone.extend(failed.gone.iter().cloned());
        let mut checks = failed.checks.clone();
        checks.append(&mut pending.checks);
        let excess = checks.len().saturating_sub(CHECKS_QUEUED_MAX);
        checks.drain(..excess);
        pending.checks = checks;
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// The word of the next round; none when there is no next round.
    fn wait(&mut self) -> Option<oneshot::Receiver<Result<(), Arc<StoreError>>>> {
        if self.is_closed {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.waiters.push(sender);
        Some(receiver)
    }

    /// All of it, to be written; what comes from now on is for the next round.
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self { is_closed: self.is_closed, ..Self::default() })
    }
}

fn closed() -> Arc<StoreError> {
    let doing = "writing down what became of instances".to_owned();
    Arc::new(StoreError::Failed { doing, source: "mcpd is shutting down".into() })
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
