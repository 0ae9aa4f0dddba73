//! One instance: its state, what is live of it, and its last checks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use mcpd_core::check::CheckRecord;
use mcpd_core::instance::{Exit, Instance};
use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::secret::Redactor;
use mcpd_mcp::Connection;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::store::{CHECKS_MAX, InstanceRow};

/// Checks of one instance that people asked for and that are not done: one that runs, and one that waits for it.
/// A third would tell nothing that the second does not.
const CHECKS_ASKED_MAX: usize = 2;

/// One instance. Its status is written by the driver only, its health by the checks only; both go through
/// [`Cell::transition`].
#[derive(Debug)]
pub struct Cell {
    /// Its id.
    pub id: InstanceId,
    /// Its server.
    pub server: ServerName,
    /// Held while a check runs: two checks of one instance never overlap (behaviour 6.11).
    pub check_gate: tokio::sync::Mutex<()>,
    /// Places of checks that somebody asked for.
    pub checks_asked: Semaphore,
    state: Mutex<State>,
    run: Mutex<Option<Run>>,
    checks: Mutex<VecDeque<Arc<CheckRecord>>>,
    exit: Mutex<Option<SeenExit>>,
    is_retired: AtomicBool,
    /// Where an earlier mcpd left it running.
    left: Option<Left>,
}

/// Where the runtime had an instance when an earlier mcpd ended. It stays written down until it turns out what became
/// of it, for by this it is found.
#[derive(Clone, Debug)]
pub struct Left {
    /// The runtime's handle, opaque.
    pub handle: Option<String>,
    /// Id of the container.
    pub container_id: Option<String>,
    /// Whether its server had answered a greeting.
    pub has_answered: bool,
}

/// An end that was noticed, perhaps before the start it belongs to was written down.
#[derive(Debug)]
struct SeenExit {
    run: u64,
    exit: Exit,
    stderr_tail: String,
}

#[derive(Debug)]
struct State {
    /// `None` only inside of a transition.
    instance: Option<Instance>,
    version: i64,
    updated_at: Timestamp,
    /// Whether it was started again outside its schedule since it was Ready last.
    is_fresh_start_spent: bool,
}

/// What is live of an instance between a start and its end.
#[derive(Clone, Debug)]
pub struct Run {
    /// Tells this start from every other.
    pub number: u64,
    /// The runtime's handle, opaque.
    pub handle: Option<String>,
    /// Process id on the host.
    pub pid: Option<u32>,
    /// Id of the container.
    pub container_id: Option<String>,
    /// The image it runs.
    pub image: Option<String>,
    /// The port of this host's loopback that leads to its server, where it has one.
    pub port: Option<u16>,
    /// Masks the secrets it was started with.
    pub redactor: Redactor,
    /// The one live connection, while it is open.
    pub connection: Option<Connection>,
    /// Cancelled when its streams are to be closed, also before the connection over them is open.
    pub hang_up: CancellationToken,
    /// How it was greeted last, where it has not answered since.
    pub greeting: Option<Greeting>,
    /// Whether it has ever answered a greeting.
    pub has_answered: bool,
}

/// Whether the server of a run has answered a greeting before, perhaps one of an earlier mcpd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// It has not; it may have a long start before it.
    First,
    /// It has, and may not take a second one.
    Again,
}

impl State {
    fn of(instance: Instance, updated_at: Timestamp) -> Self {
        Self { instance: Some(instance), version: 1, updated_at, is_fresh_start_spent: false }
    }
}

impl Run {
    /// How its server is to be greeted next.
    pub fn next_greeting(&self) -> Greeting {
        if self.has_answered { Greeting::Again } else { Greeting::First }
    }

    /// Whether it is in a container, which lives on when mcpd, its connection or its engine does not.
    pub fn is_contained(&self) -> bool {
        self.container_id.is_some()
    }

    fn close_if_hung_up(&self) {
        if self.hang_up.is_cancelled()
            && let Some(connection) = &self.connection
        {
            connection.close();
        }
    }
}

impl Cell {
    /// A cell around an instance, new or read from the store.
    pub fn new(instance: Instance, updated_at: Timestamp) -> Arc<Self> {
        Arc::new(Self::around(instance, updated_at, None))
    }

    /// A cell around an instance that an earlier mcpd may have left running.
    pub fn left_behind(instance: Instance, updated_at: Timestamp, left: Left) -> Arc<Self> {
        Arc::new(Self::around(instance, updated_at, Some(left)))
    }

    fn around(instance: Instance, updated_at: Timestamp, left: Option<Left>) -> Self {
        Self {
            id: instance.id.clone(),
            server: instance.server.clone(),
            check_gate: tokio::sync::Mutex::new(()),
            checks_asked: Semaphore::new(CHECKS_ASKED_MAX),
            state: Mutex::new(State::of(instance, updated_at)),
            run: Mutex::default(),
            checks: Mutex::default(),
            exit: Mutex::default(),
            is_retired: AtomicBool::new(false),
            left,
        }
    }

    /// Replaces the instance by what `change` makes of it, and gives what `look` reads from the result.
    pub fn transition<T>(
        &self,
        now: Timestamp,
        change: impl FnOnce(Instance) -> Instance,
        look: impl FnOnce(&Instance) -> T,
    ) -> T {
        let mut state = self.lock();
        let before = state.instance.take().expect("a transition always puts the instance back");
        let after = state.instance.insert(change(before));
        let (seen, is_ready) = (look(after), after.is_ready());
        state.is_fresh_start_spent &= !is_ready;
        state.version += 1;
        state.updated_at = now;
        seen
    }

    /// Reads from the instance as it is.
    pub fn read<T>(&self, look: impl FnOnce(&Instance) -> T) -> T {
        look(self.lock().instance.as_ref().expect("a transition always puts the instance back"))
    }

    /// A copy of the instance as it is.
    pub fn snapshot(&self) -> Instance {
        self.read(Clone::clone)
    }

    /// Whether it may be started again at once, outside the schedule of its attempts: once, until it is Ready again.
    /// Otherwise a server that is never greeted twice, and whose connection breaks on each run, would be started
    /// without end.
    pub fn spend_fresh_start(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_fresh_start_spent, true)
    }

    /// Whether the server that an earlier mcpd left running had answered a greeting.
    pub fn has_left_answering(&self) -> bool {
        self.left.as_ref().is_some_and(|left| left.has_answered)
            && self.read(|instance| instance.left_running)
    }

    /// How often it changed since it was loaded, and when last.
    pub fn version(&self) -> (i64, Timestamp) {
        let state = self.lock();
        (state.version, state.updated_at)
    }

    /// What is live of it.
    pub fn run(&self) -> Option<Run> {
        self.lock_run().clone()
    }

    /// Takes note of a start.
    pub fn set_run(&self, run: Run) {
        *self.lock_run() = Some(run);
    }

    /// Takes note that the start `number` is over, and lets go of who is busy with its streams; an older or
    /// newer one is left alone.
    pub fn end_run(&self, number: u64) {
        if let Some(run) = self.lock_run().take_if(|run| run.number == number) {
            run.hang_up.cancel();
        }
    }

    /// Whether it has a run, in a container.
    pub fn is_contained(&self) -> bool {
        self.lock_run().as_ref().is_some_and(Run::is_contained)
    }

    /// The number of the start that is live.
    pub fn run_number(&self) -> Option<u64> {
        self.lock_run().as_ref().map(|run| run.number)
    }

    /// Whether the start `number` is the one that is live.
    pub fn is_run(&self, number: u64) -> bool {
        self.run_number() == Some(number)
    }

    /// Takes note that the run ended, for the driver to act on. What was said first of why stays: a server
    /// that was ended because it closed its stdout did not "exit by signal 15".
    pub fn note_exit(&self, run: u64, exit: Exit, stderr_tail: String) {
        let mut seen = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.as_ref().filter(|earlier| earlier.run == run).map(|earlier| earlier.exit);
        *seen = Some(SeenExit { run, exit: first.unwrap_or(exit), stderr_tail });
    }

    /// The noted end of that run, once.
    pub fn take_exit(&self, run: u64) -> Option<(Exit, String)> {
        let mut seen = self.exit.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take_if(|seen| seen.run == run).map(|seen| (seen.exit, seen.stderr_tail))
    }

    /// The live connection, if it is open.
    pub fn connection(&self) -> Option<Connection> {
        self.lock_run().as_ref()?.connection.clone()
    }

    /// Puts or takes the connection of the start `number`; one that comes after [`Cell::hang_up`] is closed.
    pub fn set_connection(&self, number: u64, connection: Option<Connection>) {
        if let Some(run) = self.lock_run().as_mut().filter(|run| run.number == number) {
            run.greeting = run.greeting.filter(|_| connection.is_none());
            run.has_answered |= connection.is_some();
            run.connection = connection;
            run.close_if_hung_up();
        }
    }

    /// The server behind the start `number` is greeted; it has answered once it has a connection.
    pub fn greet(&self, number: u64, greeting: Greeting) {
        if let Some(run) = self.lock_run().as_mut().filter(|run| run.number == number) {
            run.greeting = Some(greeting);
        }
    }

    /// How the server behind the start `number` is to be greeted next.
    pub fn next_greeting(&self, number: u64) -> Greeting {
        let run = self.lock_run();
        run.as_ref().filter(|run| run.number == number).map_or(Greeting::First, Run::next_greeting)
    }

    /// How it was greeted last, where it has not answered since.
    pub fn find_greeting(&self) -> Option<Greeting> {
        self.lock_run().as_ref()?.greeting
    }

    /// Closes the stdin of what is live of it, which asks the server to end (behaviour 5.5). Nothing is
    /// sent from here on, however far the connection is; what was sent may still be answered.
    pub fn hang_up(&self) {
        if let Some(run) = self.lock_run().as_ref() {
            run.hang_up.cancel();
            run.close_if_hung_up();
        }
    }

    /// Masks the secrets of the run in a text.
    pub fn redactor(&self) -> Redactor {
        self.lock_run().as_ref().map(|run| run.redactor.clone()).unwrap_or_default()
    }

    /// Keeps a check, the last [`CHECKS_MAX`].
    pub fn push_check(&self, record: Arc<CheckRecord>) {
        let mut checks = self.lock_checks();
        if checks.len() == CHECKS_MAX {
            checks.pop_back();
        }
        checks.push_front(record);
    }

    /// The kept checks, newest first.
    pub fn checks(&self) -> Vec<Arc<CheckRecord>> {
        self.lock_checks().iter().cloned().collect()
    }

    /// The newest check.
    pub fn last_check(&self) -> Option<Arc<CheckRecord>> {
        self.lock_checks().front().cloned()
    }

    /// Its row is gone for good.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    /// Whether its row is gone for good.
    pub fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    /// The row that the store keeps of it.
    pub fn row(&self) -> InstanceRow {
        let run = self.lock_run();
        let (run, instance) = (run.as_ref(), self.snapshot());
        let left = self.left.as_ref().filter(|_| instance.left_running);
        let kept = |of_run: fn(&Run) -> &Option<String>, of_left: fn(&Left) -> &Option<String>| {
            run.map(of_run).or(left.map(of_left)).cloned().flatten()
        };
        InstanceRow {
            handle: kept(|run| &run.handle, |left| &left.handle),
            pid: run.and_then(|run| run.pid),
            container_id: kept(|run| &run.container_id, |left| &left.container_id),
            image: run.and_then(|run| run.image.clone()),
            port: run.and_then(|run| run.port),
            instance,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_run(&self) -> MutexGuard<'_, Option<Run>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_checks(&self) -> MutexGuard<'_, VecDeque<Arc<CheckRecord>>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
