//! Checks: when each instance is due, what one check does, and what it adds up to.
//!
//! ```text
//!  connected | check changed ─► schedule ─► due ─► run ─► probe host ─► live calls ─► the one connection
//!                                  ▲                 └─► record ─► core fold ─► board, ledger
//!                                  └──── next due time on the grid, or when a verdict expires
//! ```
//!
//! Due times live in a queue, so nothing looks at instances that are not due. A check never waits for
//! another instance's.

mod calls;
mod memory;
mod not_checked;
mod probes;
mod run;
#[cfg(test)]
mod scenarios;
mod schedule;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mcpd_core::check::CheckRecord;
use mcpd_core::instance::Instance;
use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::time::after;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::memory::Memory;
pub use self::not_checked::NotChecked;
pub use self::probes::{Probes, ProbesError};
use self::schedule::{Schedule, next_on_grid};
use self::watch::Watch;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::runtime::Runtime;
use crate::state::{Board, Cell, Change, CheckPlan, Ledger};
use crate::store::Store;

/// Everything about checks, shared by the driver, which says who can be checked, and the API.
pub struct Checks {
    board: Arc<Board>,
    ledger: Ledger,
    clock: Clock,
    metrics: Arc<Metrics>,
    probes: Probes,
    memory: Memory,
    queue: Mutex<Queue>,
    wake: Notify,
    runtime: Option<Arc<dyn Runtime>>,
}

/// Who is due when. Locked for moments, and before the cell of an instance, never after.
#[derive(Debug, Default)]
struct Queue {
    due: Schedule,
    expiries: Schedule,
    watches: HashMap<InstanceId, Watch>,
}

/// What a due check does while another one of the same instance runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// It is skipped (behaviour 6.4).
    None,
    /// It waits: it is the first of its kind, and the one that runs was another.
    First,
}

impl Checks {
    /// Checks with nobody to check; [`Checks::run_until`] has to be run.
    pub fn new(
        board: Arc<Board>,
        ledger: Ledger,
        clock: Clock,
        metrics: Arc<Metrics>,
        probes: Probes,
        store: Arc<dyn Store>,
    ) -> Self {
        let (queue, wake, memory) = (Mutex::default(), Notify::new(), Memory::new(store));
        Self { board, ledger, clock, metrics, probes, memory, queue, wake, runtime: None }
    }

    /// Asks the runtime before a failure is taken for one of the server: where its engine was away, it says
    /// nothing. Without this no failure is doubted.
    #[must_use]
    pub fn doubting(self, runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime: Some(runtime), ..self }
    }

    /// An instance runs. Until it is connected no check is due, for `startupSeconds` at most (behaviour 6.1).
    pub fn started(&self, cell: &Arc<Cell>) {
        let since = cell.read(|instance| instance.running().map(|running| running.since));
        let (Some(plan), Some(since)) = (self.plan_of(&cell.server), since) else { return };
        let at = self.clock.instant_of(after(since, plan.policy.startup));
        self.watch(cell, plan, at);
    }

    /// An instance is connected: its first check is due, after `initialDelaySeconds` (behaviour 6.11).
    pub fn connected(&self, cell: &Arc<Cell>) {
        let since = cell.read(Instance::connected_since);
        let (Some(plan), Some(since)) = (self.plan_of(&cell.server), since) else { return };
        let first = self.clock.instant_of(after(since, plan.policy.initial_delay));
        self.watch(cell, plan, first);
    }

    /// The connection of an instance ended; the next check goes through another.
    pub fn disconnected(&self, id: &InstanceId) {
        if let Some(watch) = self.lock().watches.get_mut(id) {
            watch.view = None;
        }
    }

    fn watch(&self, cell: &Cell, plan: Arc<CheckPlan>, first: Instant) {
        let Some(run) = cell.run_number() else { return };
        // The grid of each instance is shifted by chance: the checks of a fleet are spread over the interval.
        let base = first + self.clock.chance().of(plan.policy.interval);
        let mut queue = self.lock();
        queue.watches.insert(cell.id.clone(), Watch::new(plan, run, base));
        queue.due.set(&cell.id, first);
        drop(queue);
        self.wake.notify_one();
    }

    /// An instance does not run any more.
    pub fn forget(&self, id: &InstanceId) {
        let mut queue = self.lock();
        queue.due.forget(id);
        queue.expiries.forget(id);
        queue.watches.remove(id);
    }

    /// A server is gone, and with it what probes remember about it.
    pub fn forget_server(&self, server: &ServerName) {
        self.memory.forget(server);
    }

    /// The health check of a server is another one: counts are dropped, and its instances are checked at once,
    /// in place (behaviour 5.4).
    pub fn changed(&self, server: &ServerName) {
        for cell in self.board.instances_of(server.as_str()) {
            self.forget(&cell.id);
            self.transition(&cell, |instance, now| {
                let health = instance.health.clone().check_changed();
                instance.with_health(health, None, now)
            });
            self.noted(&cell);
            self.ring(&cell);
            if cell.connection().is_some() {
                self.connected(&cell);
            } else {
                self.started(&cell);
            }
        }
    }

    /// Runs one check now: waits for one that runs, then runs (`POST /instances/{id}/checks`).
    pub async fn check_now(&self, cell: &Arc<Cell>) -> Result<Arc<CheckRecord>, NotChecked> {
        let _gate = cell.check_gate.lock().await;
        self.check(cell, run::Asked::ByPerson).await
    }

    /// Checks what is due until `end`.
    pub async fn run_until(self: Arc<Self>, end: CancellationToken) {
        let tasks = TaskTracker::new();
        while !end.is_cancelled() {
            let next = self.lock().next_at();
            tokio::select! {
                () = end.cancelled() => break,
                () = self.wake.notified() => {}
                () = sleep_until(next) => {}
            }
            self.begin_due(&tasks, &end);
            self.expire_due();
        }
        tasks.close();
        tasks.wait().await;
    }

    fn begin_due(self: &Arc<Self>, tasks: &TaskTracker, end: &CancellationToken) {
        let now = Instant::now();
        while let Some((id, patience)) = self.take_due(now) {
            let Some(cell) = self.board.find_instance(id.as_str()) else {
                self.forget(&id);
                continue;
            };
            let (checks, end) = (Arc::clone(self), end.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = checks.scheduled(&cell, patience) => {}
                }
            });
        }
    }

    fn take_due(&self, now: Instant) -> Option<(InstanceId, Patience)> {
        self.lock().take_due(now)
    }

    async fn scheduled(&self, cell: &Arc<Cell>, patience: Patience) {
        let gate = match patience {
            Patience::None => cell.check_gate.try_lock().ok(),
            Patience::First => Some(cell.check_gate.lock().await),
        };
        let Some(_gate) = gate else { return };
        // While nothing can be known of it a check would tell of its engine only, over and over. What was known
        // expires as ever (behaviour 6.9).
        if cell.read(|instance| instance.sight_lost().is_some()) {
            return;
        }
        if let Err(NotChecked::NotRunning { .. }) = self.check(cell, run::Asked::BySchedule).await {
            // It ended while word of its start or connection was under way.
            self.forget(&cell.id);
        }
    }

    fn expire_due(&self) {
        let now = Instant::now();
        while let Some(id) = self.take_expiry(now) {
            if let Some(cell) = self.board.find_instance(id.as_str()) {
                self.expire(&cell);
            }
        }
    }

    fn take_expiry(&self, now: Instant) -> Option<InstanceId> {
        self.lock().expiries.pop(now)
    }

    /// Verdicts expire (behaviour 6.9); a newer verdict has only moved the time.
    fn expire(&self, cell: &Arc<Cell>) {
        let now = self.clock.now();
        match cell.read(|instance| instance.health.expires_at()) {
            None => {}
            Some(at) if at > now => self.lock().expiries.set(&cell.id, self.clock.instant_of(at)),
            Some(_) => {
                let Some(plan) = self.plan_of(&cell.server) else { return };
                self.transition(cell, |instance, now| {
                    let health = instance.health.clone().expire(now, plan.policy.verdict_lifetime());
                    instance.with_health(health, None, now)
                });
                self.noted(cell);
                self.ring(cell);
            }
        }
    }

    fn transition(&self, cell: &Cell, change: impl FnOnce(Instance, Timestamp) -> Instance) {
        let now = self.clock.now();
        cell.transition(now, |instance| change(instance, now), |_| ());
    }

    fn noted(&self, cell: &Arc<Cell>) {
        self.ledger.note(cell);
        self.board.publish(Change::Instance(cell.id.clone()));
    }

    /// Readiness may have changed, and with it what the driver does: a rollout goes on, an ill one restarts.
    fn ring(&self, cell: &Cell) {
        if let Some(server) = self.board.find_server(cell.server.as_str()) {
            server.bell.notify_one();
        }
    }

    fn plan_of(&self, server: &ServerName) -> Option<Arc<CheckPlan>> {
        self.board.find_server(server.as_str())?.desired().check.clone()
    }

    /// How many instances are checked.
    #[cfg(test)]
    pub(crate) fn watched(&self) -> usize {
        self.lock().watches.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}

impl Queue {
    fn next_at(&mut self) -> Option<Instant> {
        let next = [self.due.next_at(), self.expiries.next_at()];
        next.into_iter().flatten().min()
    }

    /// Takes an instance that is due, and puts it on its next due time.
    fn take_due(&mut self, now: Instant) -> Option<(InstanceId, Patience)> {
        let id = self.due.pop(now)?;
        let Some(watch) = self.watches.get_mut(&id) else { return Some((id, Patience::None)) };
        let at = next_on_grid(watch.base, watch.plan.policy.interval, now);
        let patience = watch.take_patience();
        self.due.set(&id, at);
        Some((id, patience))
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
