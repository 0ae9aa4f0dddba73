//! The runtime `process`: instances as processes of this host, each behind a guardian of its own.
//!
//! What a host process is not: it is no sandbox. It has no limits of memory, CPU or processes, and one that
//! runs as the user of mcpd can read what mcpd can. `user` gives servers another one where mcpd is root.
//!
//! ```text
//! start ─► keeper ─► spawn ─► guardian (`mcpd __guard`) ─► `mcpd __exec` ═► server
//!            ▲ │ reports, words         stdin, stdout, stderr pass straight through
//!            │ └─► state (stop waits for Gone) · event (Exited)
//! ```

mod account;
mod environment;
mod folder;
pub mod guard;
mod handle;
mod keeper;
mod mark;
mod orphans;
mod procfs;
mod run;
mod runs;
mod spawn;
mod stderr;
mod sweep;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use mcpd_core::name::InstanceId;
use tokio::sync::{broadcast, oneshot};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use self::account::Account;
use self::folder::{Folders, failed};
use self::guard::wire::Order;
use self::handle::Recorded;
use self::keeper::{Assignment, StartFailure};
use self::runs::{Claim, Runs};
use super::invocation::Invocation;
use super::log::{LogLine, LogQuery, LogStream};
use super::{
    Clock, EngineState, Events, Known, Launch, Owned, RunNumbers, Runtime, RuntimeError, RuntimeEvent,
    RuntimeKind, StartRequest, Started, SweepReport,
};
pub use environment::clean_env;
pub use run::Grace;
pub use sweep::GUARDIANS_END;

/// Gives the prefixes of variables that the `env` secret backends serve; asked at each start.
pub type Withheld = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// How long a program may take to be executed: a disk may have to wake up for it.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long a start waits for the run before it, which has ended, to be proved gone.
const SETTLE: Duration = Duration::from_secs(5);

/// What the process runtime has to know.
#[derive(Clone)]
pub struct ProcessConfig {
    /// This program; `/proc/self/exe` unless in a test.
    pub program: PathBuf,
    /// The folder below which instances run that name none. Made where it is not there.
    pub folder: PathBuf,
    /// The user that servers run as; `None` for the user of mcpd.
    pub user: Option<String>,
    /// The environment of mcpd, of which a part is passed on.
    pub parent_env: Vec<(String, String)>,
    /// Names that are passed on too (`runtime.process.passEnv`).
    pub pass_env: Vec<String>,
    /// Prefixes that are never passed on.
    pub withheld: Withheld,
    /// The clock of log lines and events.
    pub now: Clock,
    /// How long each step of a stop may take; the default unless in a test.
    pub grace: Grace,
    /// How long a sweep waits for earlier guardians to end by themselves; [`GUARDIANS_END`] unless in a test.
    pub sweep_patience: Duration,
    /// Numbers of runs, shared with the other runtimes of this mcpd.
    pub numbers: RunNumbers,
    /// Where events go, shared with them too.
    pub events: Events,
}

/// Runs instances as processes of this host.
pub struct ProcessRuntime {
    config: ProcessConfig,
    account: Option<Account>,
    folders: Arc<Folders>,
    runs: Runs,
    tasks: TaskTracker,
}

impl ProcessRuntime {
    /// Prepares the runtime: looks up the user, makes the folder, and makes mcpd the parent of orphans.
    pub fn new(mut config: ProcessConfig) -> Result<Self, RuntimeError> {
        let account = config.user.as_deref().map(Account::get).transpose()?;
        if let Some(account) = &account {
            config.parent_env = account.adapt(config.parent_env);
        }
        orphans::adopt().map_err(RuntimeError::NoReaper)?;
        let folders = Arc::new(Folders::open(config.folder.clone(), account.clone())?);
        let runs = Runs::new(config.now.clone(), config.numbers.clone());
        Ok(Self { config, account, folders, runs, tasks: TaskTracker::new() })
    }

    /// What the guardian is told to run.
    fn order(&self, request: &StartRequest, invocation: &Invocation) -> Result<Order, RuntimeError> {
        let cwd = match &request.cwd {
            Some(cwd) => cwd.clone(),
            None => self.folders.prepare(&request.instance)?,
        };
        let user = self.account.as_ref().map(|account| OsString::from(&account.name)).unwrap_or_default();
        let words = std::iter::once(&invocation.program).chain(&invocation.args);
        Ok(Order { lock: self.folders.lock(), cwd, user, argv: words.map(OsString::from).collect() })
    }

    /// Claims the instance for a new run, once the one before is proved gone.
    async fn claim(&self, request: &StartRequest) -> Result<Claim, RuntimeError> {
        let still_there = || RuntimeError::StillThere { instance: request.instance.clone() };
        if let Some(mut earlier) = self.runs.find_ending(&request.instance)
            && !earlier.is_gone_within(SETTLE).await
        {
            return Err(still_there());
        }
        self.runs.claim(&request.instance, request.redactor.clone()).ok_or_else(still_there)
    }

    fn assign(&self, request: StartRequest, order: Order, claim: Claim) -> Assignment {
        let Claim { run, book, words, state } = claim;
        let never = (self.config.withheld)();
        let env = clean_env(self.config.parent_env.clone(), &self.config.pass_env, &never, request.env);
        Assignment {
            instance: request.instance,
            run: run.number,
            program: self.config.program.clone(),
            order,
            env,
            book,
            words,
            state,
            events: self.config.events.clone(),
            now: self.config.now.clone(),
            tasks: self.tasks.clone(),
        }
    }
}

#[async_trait]
impl Runtime for ProcessRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Process
    }

    async fn sweep(&self, known: Vec<Known>) -> Result<SweepReport, RuntimeError> {
        let run =
            |known: &Known| Some((known.instance.clone(), Recorded::from_handle(known.handle.as_ref()?)?));
        let recorded: Vec<_> = known.iter().filter_map(run).collect();
        let ended = sweep::present(&recorded);
        let path = self.folders.lock();
        let lock = sweep::end_all(&path, &recorded, self.config.sweep_patience).await?;
        for instance in self.folders.instances()? {
            if !known.iter().any(|known| known.instance == instance) {
                self.folders.remove(&instance)?;
            }
        }
        lock.unlock().map_err(|source| failed("unlock", &path, source))?;
        Ok(SweepReport { ended })
    }

    async fn start(&self, request: StartRequest) -> Result<Started, RuntimeError> {
        let invocation = Invocation::new(&request.launch, &request.args)?;
        let order = self.order(&request, &invocation)?;
        let claim = self.claim(&request).await?;
        let (instance, launch, mut run) =
            (request.instance.clone(), request.launch.clone(), claim.run.clone());
        let (answer, answered) = oneshot::channel();
        self.tasks.spawn(keeper::keep(self.assign(request, order.clone(), claim), answer));
        let Ok(outcome) = timeout(START_DEADLINE, answered).await else {
            run.kill(self.config.grace).await;
            return Err(RuntimeError::StartTimeout {
                program: invocation.program,
                seconds: START_DEADLINE.as_secs(),
            });
        };
        match outcome {
            Ok(Ok(started)) => Ok(started),
            Ok(Err(failure)) => Err(explain(failure, instance, &invocation, &launch, &order)),
            Err(_) => Err(RuntimeError::StoppedWhileStarting { instance }),
        }
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        let Some(mut run) = self.runs.find(instance) else { return Ok(()) };
        if run.stop(self.config.grace).await {
            Ok(())
        } else {
            Err(RuntimeError::NotStopped { instance: instance.clone() })
        }
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.stop(instance).await?;
        self.runs.forget(instance);
        self.folders.remove(instance)
    }

    fn engines(&self) -> Vec<EngineState> {
        Vec::new()
    }

    async fn list(&self) -> Result<Vec<Owned>, RuntimeError> {
        Ok(self.runs.list())
    }

    fn subscribe(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.config.events.subscribe()
    }

    async fn logs(&self, instance: &InstanceId, query: LogQuery) -> Result<Vec<LogLine>, RuntimeError> {
        Ok(self.runs.books().get(instance)?.lines(query))
    }

    async fn follow_logs(
        &self,
        instance: &InstanceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, RuntimeError> {
        Ok(self.runs.books().get(instance)?.follow(query))
    }

    fn append_log(&self, instance: &InstanceId, line: &[u8]) {
        if let Some(book) = self.runs.books().find(instance) {
            book.append(LogStream::Stdout, line, 0);
        }
    }
}

/// The failure of a start in the words that its owner reads.
fn explain(
    failure: StartFailure,
    instance: InstanceId,
    invocation: &Invocation,
    launch: &Launch,
    order: &Order,
) -> RuntimeError {
    let program = invocation.program.clone();
    match failure {
        StartFailure::Guardian(error) => RuntimeError::CannotStart { program, reason: error.to_string() },
        StartFailure::Refused(failure) if failure.is_not_found() => {
            invocation.not_found(launch, failure.reason(order))
        }
        StartFailure::Refused(failure) => {
            RuntimeError::CannotStart { program, reason: failure.reason(order) }
        }
        StartFailure::Ended => RuntimeError::StoppedWhileStarting { instance },
    }
}
