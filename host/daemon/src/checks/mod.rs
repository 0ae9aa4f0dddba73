//! Checks: when each instance is due, what one check does, and what it adds up to.
//!
//! ```text
//!  connected | plan changed ─► schedule ─► due ─► run ─► probe host ─► live calls ─► the one connection
//!                                 ▲                 └─► record ─► core fold ─► board, ledger
//!                                 └──── next due time on the grid, or when a verdict expires
//! ```
//!
//! Due times live in a queue, so nothing looks at instances that are not due. A check never waits for
//! another instance's.

mod calls;
mod probes;
mod run;
mod schedule;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcpd_core::check::CheckRecord;
use mcpd_core::name::{InstanceId, ServerName};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::probes::{Probes, ProbesError};
use self::schedule::{Schedule, next_on_grid};
use self::watch::Watch;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::state::{Board, Cell, Change, CheckPlan, Ledger};

/// Everything about checks, shared by the driver, which says who can be checked, and the API.
#[derive(Debug)]
pub struct Checks {
    board: Arc<Board>,
    ledger: Ledger,
    clock: Clock,
    metrics: Arc<Metrics>,
    probes: Probes,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    due: Schedule,
    expiries: Schedule,
    watches: HashMap<InstanceId, Watch>,
    plans: HashMap<ServerName, Option<Arc<CheckPlan>>>,
}

/// Why an instance cannot be checked now.
#[derive(Debug, Error)]
pub enum NotChecked {
    /// It does not run.
    #[error("instance {instance} is {status}, and only a RUNNING one is checked")]
    NotRunning {
        /// The instance.
        instance: InstanceId,
        /// Its status.
        status: &'static str,
    },
    /// Its server says so.
    #[error("the checks of server {server} are disabled (healthCheck.disabled)")]
    Disabled {
        /// The server.
        server: ServerName,
    },
}

impl Checks {
    /// Checks with nobody to check; [`Checks::run_until`] has to be run.
    pub fn new(
        board: Arc<Board>,
        ledger: Ledger,
        clock: Clock,
        metrics: Arc<Metrics>,
        probes: Probes,
    ) -> Self {
        let (queue, wake) = (Mutex::default(), Notify::new());
        Self { board, ledger, clock, metrics, probes, queue, wake }
    }

    /// An instance runs. Until it is connected no check is due, for `startupSeconds` at most (behaviour 6.1).
    pub fn started(&self, cell: &Arc<Cell>) {
        let mut queue = self.lock();
        let Some(plan) = queue.plan(&cell.server) else { return };
        let at = Instant::now() + plan.policy.startup;
        queue.watches.insert(cell.id.clone(), Watch::new(plan, at));
        queue.due.set(&cell.id, at);
        drop(queue);
        self.wake.notify_one();
    }

    /// An instance is connected: its first check is due, after `initialDelaySeconds` (behaviour 6.11).
    pub fn connected(&self, cell: &Arc<Cell>) {
        let mut queue = self.lock();
        let Some(plan) = queue.plan(&cell.server) else { return };
        let first = Instant::now() + plan.policy.initial_delay;
        // The grid of each instance is shifted by chance: the checks of a fleet are spread over the interval.
        let base = first + self.clock.chance().of(plan.policy.interval);
        queue.watches.insert(cell.id.clone(), Watch::new(plan, base));
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

    /// The health check of a server may have changed; where it did, counts are dropped and its instances
    /// are checked at once, in place (behaviour 5.4).
    pub fn plan_changed(&self, server: &ServerName, plan: Option<Arc<CheckPlan>>) {
        let before = self.lock().plans.insert(server.clone(), plan.clone());
        let is_same = before.as_ref().is_some_and(|before| before.as_deref() == plan.as_deref());
        if is_same || before.is_none() {
            return;
        }
        for cell in self.board.instances_of(server.as_str()) {
            let now = self.clock.now();
            cell.transition(
                now,
                |instance| {
                    let health = instance.health.clone().check_changed();
                    instance.with_health(health, None, now)
                },
                |_| (),
            );
            self.noted(&cell);
            self.forget(&cell.id);
            if cell.connection().is_some() {
                self.connected(&cell);
            } else if cell.run().is_some() {
                self.started(&cell);
            }
        }
    }

    /// The server is gone.
    pub fn forget_server(&self, server: &ServerName) {
        self.lock().plans.remove(server);
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
        while let Some(id) = self.lock().take_due(now) {
            let Some(cell) = self.board.find_instance(id.as_str()) else { continue };
            let (checks, end) = (Arc::clone(self), end.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = checks.scheduled(&cell) => {}
                }
            });
        }
    }

    /// A due check; one that is still running means that this one is skipped (behaviour 6.4).
    async fn scheduled(&self, cell: &Arc<Cell>) {
        let Ok(_gate) = cell.check_gate.try_lock() else { return };
        // Not RUNNING any more: the driver has said so, or will.
        let _ = self.check(cell, run::Asked::BySchedule).await;
    }

    fn expire_due(&self) {
        let now = Instant::now();
        while let Some(id) = {
            let mut queue = self.lock();
            queue.expiries.pop(now)
        } {
            if let Some(cell) = self.board.find_instance(id.as_str()) {
                self.expire(&cell);
            }
        }
    }

    /// Verdicts expire (behaviour 6.9); a newer verdict only moves the time.
    fn expire(&self, cell: &Arc<Cell>) {
        let Some(policy) = self.lock().plan(&cell.server).map(|plan| plan.policy) else { return };
        let now = self.clock.now();
        let still = cell.transition(
            now,
            |instance| {
                let health = instance.health.clone().expire(now, policy.verdict_lifetime());
                instance.with_health(health, None, now)
            },
            |instance| instance.health.expires_at(),
        );
        match still {
            Some(at) => self.lock().expiries.set(&cell.id, self.clock.instant_of(at)),
            None => self.noted(cell),
        }
    }

    fn noted(&self, cell: &Arc<Cell>) {
        self.ledger.note(cell);
        self.board.publish(Change::Instance(cell.id.clone()));
        // Readiness may have changed, and with it what the driver does: a rollout goes on, an ill one restarts.
        if let Some(server) = self.board.find_server(cell.server.as_str()) {
            server.bell.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn plan(&self, server: &ServerName) -> Option<Arc<CheckPlan>> {
        self.plans.get(server).cloned().flatten()
    }

    fn next_at(&mut self) -> Option<Instant> {
        let next = [self.due.next_at(), self.expiries.next_at()];
        next.into_iter().flatten().min()
    }

    /// Takes an instance that is due, and puts it on its next due time.
    fn take_due(&mut self, now: Instant) -> Option<InstanceId> {
        let id = self.due.pop(now)?;
        if let Some(watch) = self.watches.get(&id) {
            let at = next_on_grid(watch.base, watch.plan.policy.interval, now);
            self.due.set(&id, at);
        }
        Some(id)
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
