//! What every part of the driver works with.

use std::sync::Arc;
use std::time::Duration;

use mcpd_core::backoff::Schedule;
use mcpd_core::instance::{Count, Instance, Moment};
use mcpd_core::time::after;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::checks::Checks;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::runtime::Runtime;
use crate::secrets::Resolver;
use crate::state::{Board, Cell, Change, Ledger, ServerCell};
use crate::store::Store;
use crate::withheld::Withheld;

/// Instances that a changed secret or a recovered backend wakes start spread over this time (behaviour 3.7).
const WAKE_SPREAD: Duration = Duration::from_secs(1);

/// Ports, state and settings of the driver.
pub struct Context {
    /// What is known now.
    pub board: Arc<Board>,
    /// Writes it down.
    pub ledger: Ledger,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Runs instances.
    pub runtime: Arc<dyn Runtime>,
    /// Resolves secrets.
    pub secrets: Arc<Resolver>,
    /// Checks what is connected.
    pub checks: Arc<Checks>,
    /// Time and chance.
    pub clock: Clock,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Numbers from the configuration.
    pub settings: Settings,
    /// Every task of the driver.
    pub tasks: TaskTracker,
    /// Ends them.
    pub end: CancellationToken,
    /// Attempts that may be under way at once, so that a fleet does not start as one. One that pulls an image gives
    /// its place back: a slow registry keeps nothing else from being started or taken over.
    pub starts: Arc<Semaphore>,
    /// What no container is given.
    pub withheld: Arc<[Withheld]>,
}

/// Numbers from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The backoff in force.
    pub schedule: Schedule,
    /// After how long in service the count of attempts is forgotten.
    pub count_reset_after: Duration,
    /// The longest time between two looks at a server.
    pub scan: Duration,
}

/// Kept over work that may fail for want of something: a wake that comes meanwhile wakes nobody, so nobody may go
/// to sleep after it.
pub(super) struct Vigil {
    server: Option<Arc<ServerCell>>,
    wakes: u64,
}

impl Vigil {
    /// Begins one for the work on an instance.
    pub(super) fn begin(context: &Context, cell: &Cell) -> Self {
        let server = context.board.find_server(cell.server.as_str());
        Self { wakes: server.as_ref().map_or(0, |server| server.wakes()), server }
    }

    /// An instance whose work has failed: due at once where its server was woken meanwhile.
    pub(super) fn kept(&self, failed: Instance, moment: Moment<'_>) -> Instance {
        match &self.server {
            Some(server) if server.wakes() != self.wakes => failed.woken(moment.now, Count::Keep, moment.now),
            _ => failed,
        }
    }
}

impl Context {
    /// Changes an instance as of now, tells the watchers, and has it written down soon.
    pub fn change(&self, cell: &Arc<Cell>, change: impl FnOnce(Instance, Moment<'_>) -> Instance) {
        let now = self.clock.now();
        let moment = Moment { now, schedule: &self.settings.schedule, chance: self.clock.chance() };
        cell.transition(now, |instance| change(instance, moment), |_| ());
        self.ledger.note(cell);
        self.board.publish(Change::Instance(cell.id.clone()));
    }

    /// The same, written down at once: a crash must not lose a failed attempt, its backoff, or that it is to
    /// be stopped.
    pub fn change_urgently(&self, cell: &Arc<Cell>, change: impl FnOnce(Instance, Moment<'_>) -> Instance) {
        self.change(cell, change);
        self.ledger.hurry();
    }

    /// The same, and it is safe on disk when this returns true. A store that does not answer is logged.
    pub async fn change_safely(
        &self,
        cell: &Arc<Cell>,
        change: impl FnOnce(Instance, Moment<'_>) -> Instance,
    ) -> bool {
        self.change(cell, change);
        match self.ledger.persist(cell).await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(instance = %cell.id, server = %cell.server, error = %error, "state not written");
                false
            }
        }
    }

    /// Attempts those of a server's instances that wait, spread over [`WAKE_SPREAD`]; who fails for want of a
    /// secret or an engine right now is attempted again too.
    pub fn wake(&self, server: &ServerCell, count: Count, waits: impl Fn(&Instance) -> bool) {
        server.wake();
        for cell in self.board.instances_of(server.name.as_str()) {
            if cell.read(&waits) {
                let wait = self.clock.chance().of(WAKE_SPREAD);
                self.change(&cell, |instance, moment| {
                    instance.woken(after(moment.now, wait), count, moment.now)
                });
            }
        }
    }

    /// Somebody should look at the server.
    pub fn ring(&self, server: &str) {
        if let Some(server) = self.board.find_server(server) {
            server.bell.notify_one();
        }
    }
}
