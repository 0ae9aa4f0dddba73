//! The runtime port: what mcpd asks of whatever runs its instances, in words that fit a process and a
//! container alike.
//!
//! An adapter is one folder here, and passes the suite in `conformance.rs`.

pub mod auto;
mod books;
pub mod docker;
pub mod error;
pub mod exec;
pub mod exit;
#[cfg(test)]
pub(crate) mod fake;
mod invocation;
mod lines;
pub mod log;
pub mod process;
pub mod request;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use mcpd_core::secret::Redactor;
use mcpd_core::server::Revision;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

pub use error::RuntimeError;
pub use exec::{Exec, ExecEvent, ExecRequest, TtySize};
pub use exit::Exit;
pub use log::{Attempt, LogLine, LogQuery, LogStream};
pub use request::{
    Container, Isolation, Launch, Limits, Mount, Progress, PullPolicy, RegistryCredentials, Root,
    StartProgress, StartRequest, Started, Streams,
};

/// Runs instances, and says the truth about them.
///
/// Between a `start` and the end of what it started lies one *run*, with a number that is unique within
/// the life of this mcpd; an event names it, so that a late event is never taken for a new one.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Which runtime this is.
    fn kind(&self) -> RuntimeKind;

    /// Ends what an earlier mcpd left behind and cannot be taken over, and forgets what belongs to no instance
    /// in `known`.
    ///
    /// Called once, before anything is started. What can be taken over stays, wanted or not: [`Self::list`] tells
    /// of it. An engine that does not answer is no failure here.
    async fn sweep(&self, known: Vec<Known>) -> Result<SweepReport, RuntimeError>;

    /// Takes over what an earlier mcpd, or a start that nobody waited for, left of the instance (behaviour 5.8).
    ///
    /// What runs is attached to anew. What has ended is removed, and told. Nothing is ever started by it.
    async fn adopt(&self, _instance: &InstanceId) -> Result<Adoption, RuntimeError> {
        Ok(Adoption::Nothing)
    }

    /// Whether this start can be asked for now; nothing is begun by it.
    ///
    /// Where it fails nothing of the start is there. Where [`Self::start`] fails for want of an engine that may not
    /// be so: the engine may have gone in the middle of it.
    async fn reach(&self, _request: &StartRequest) -> Result<(), RuntimeError> {
        Ok(())
    }

    /// Starts an instance, and returns once the runtime reports it as running.
    ///
    /// Waits for an earlier run that has ended until it is proved gone (behaviour 5.3). Where the caller
    /// goes away before the answer, what was begun is ended.
    async fn start(&self, request: StartRequest) -> Result<Started, RuntimeError>;

    /// New streams to a run whose streams ended while it goes on (behaviour 7.2); `None` where the run is over,
    /// or cannot be attached to a second time.
    async fn reattach(&self, _instance: &InstanceId, _run: u64) -> Result<Option<Streams>, RuntimeError> {
        Ok(None)
    }

    /// Stops an instance gently, then less so (behaviour 5.5); returns when it is proved gone.
    ///
    /// Its stdin was closed before by whoever holds its streams; here it is given the time to end by that.
    /// An instance that is unknown or gone already is stopped. Logs stay until [`Self::remove`].
    async fn stop(&self, instance: &InstanceId) -> Result<(), RuntimeError>;

    /// Stops an instance and forgets all that was kept for it: its folder, its logs.
    async fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError>;

    /// Forgets all that was kept for an instance that is proved gone; asks nobody.
    fn forget(&self, _instance: &InstanceId) {}

    /// mcpd ends: what can outlive it stays and is adopted by the next one, the rest is stopped
    /// (behaviour 5.7).
    async fn leave(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.stop(instance).await
    }

    /// Why nothing true can be said of the instance for the time from `since` to now: its engine did not answer,
    /// at some moment of it or still. `None` where the runtime answers; that is asked for here, within
    /// [`DOUBT_TIMEOUT`].
    async fn doubt(&self, _instance: &InstanceId, _since: Timestamp) -> Option<String> {
        None
    }

    /// Each engine behind this runtime and how it was seen last; asks nobody.
    fn engines(&self) -> Vec<EngineState>;

    /// Runs a command beside the server, for a person; no check ever does (behaviour 6.5).
    async fn exec(&self, instance: &InstanceId, _request: ExecRequest) -> Result<Exec, RuntimeError> {
        Err(RuntimeError::NoExec { instance: instance.clone() })
    }

    /// What is there now and not yet proved gone, for the periodic scan behind the events.
    ///
    /// A runtime of one engine fails where that does not answer. One over several never does for that: what was
    /// there when it was seen last stays on the list, with the run it had, as [`Presence::Unseen`]. It has not
    /// vanished, and it can be neither stopped nor removed now.
    async fn list(&self) -> Result<Vec<Owned>, RuntimeError>;

    /// Events from now on. A subscriber that lags behind [`EVENTS_KEPT_MAX`] has to look at [`Self::list`].
    fn subscribe(&self) -> broadcast::Receiver<RuntimeEvent>;

    /// The kept log lines, oldest first; every secret of the instance is masked.
    async fn logs(&self, instance: &InstanceId, query: LogQuery) -> Result<Vec<LogLine>, RuntimeError>;

    /// The lines of `query` and then those to come, over all attempts, until the instance is removed.
    async fn follow_logs(
        &self,
        instance: &InstanceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, RuntimeError>;

    /// Keeps a line of the instance's stdout that was no message; the connection calls it.
    fn append_log(&self, instance: &InstanceId, line: &[u8]);
}

/// Events that are kept for a slow subscriber: several for each of a few hundred instances.
pub const EVENTS_KEPT_MAX: usize = 1024;

/// How long an engine may take to say that it is there, where the answer decides what a failure meant.
pub const DOUBT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);

/// The runtimes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// Processes of this host.
    Process,
    /// Containers of Docker Engine, or of what speaks its API.
    Docker,
    /// Whichever of both a server asks for.
    Auto,
}

/// Gives the time of now.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Numbers of runs, shared by the runtimes of one mcpd: an instance may change its runtime, and a late event of
/// the one is never taken for one of the other.
#[derive(Debug, Clone, Default)]
pub struct RunNumbers(Arc<AtomicU64>);

impl RunNumbers {
    /// A number never given before; the first is 1.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Where the runtimes of one mcpd send what they notice: one channel for all, so that what a runtime lists no
/// more has been told to whoever follows them together.
pub type Events = broadcast::Sender<RuntimeEvent>;

/// A channel for the runtimes of one mcpd.
pub fn events() -> Events {
    broadcast::channel(EVENTS_KEPT_MAX).0
}

/// How an engine was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineState {
    /// Which runtime works through it.
    pub kind: RuntimeKind,
    /// Whether it answers.
    pub sight: Sight,
    /// Since when.
    pub since: Timestamp,
}

/// Whether an engine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Nobody needed it yet; nothing is known of it.
    Unneeded,
    /// It answers; its name and version, for people.
    Seen(String),
    /// It does not; why, in the words of what failed.
    Lost(String),
}

/// What was there of an instance.
#[derive(Debug)]
pub enum Adoption {
    /// Nothing.
    Nothing,
    /// It runs, and is attached to anew.
    Running(Box<Adopted>),
    /// It had ended while nobody watched, and is gone now.
    Ended(Exit),
}

/// A run that was taken over.
#[derive(Debug)]
pub struct Adopted {
    /// The run, with new streams.
    pub started: Started,
    /// What it was started with.
    pub revision: Revision,
    /// Since when it runs.
    pub since: Timestamp,
    /// Masks the secrets it was started with.
    pub redactor: Redactor,
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::Auto => "auto",
        })
    }
}

/// What finds a run again after mcpd was replaced: opaque to all but the runtime that wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(pub String);

/// An instance that the store knows when mcpd starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The instance.
    pub instance: InstanceId,
    /// The handle of its last run, where one was recorded and not yet cleared.
    pub handle: Option<Handle>,
}

/// What a sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Instances of which something was still there; nothing is now.
    pub ended: Vec<InstanceId>,
}

/// One run that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// Its instance.
    pub instance: InstanceId,
    /// The number of the run.
    pub run: u64,
    /// How far it is.
    pub presence: Presence,
}

/// How far a run is that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Not yet reported as running.
    Starting,
    /// Reported as running.
    Running,
    /// Its server has ended; something of it may still be there.
    Ending,
    /// It was there when its engine answered last, which it does not now.
    Unseen,
}

/// What the runtime noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// A run that had been reported as running ended, asked to or not.
    Exited {
        /// The instance.
        instance: InstanceId,
        /// The run that ended.
        run: u64,
        /// How it ended.
        exit: Exit,
        /// When that was noticed.
        at: Timestamp,
        /// The end of its stderr, masked: [`log::TAIL_LINES_MAX`] lines or [`log::TAIL_BYTES_MAX`] bytes.
        stderr_tail: String,
    },
    /// An engine stopped answering; of what runs there nothing is known until it is back.
    Away {
        /// Which runtime works through it.
        kind: RuntimeKind,
        /// The words of what failed.
        reason: String,
        /// When that was noticed.
        at: Timestamp,
    },
    /// An engine answers again, or for the first time. [`Runtime::list`] tells what it holds.
    Back {
        /// Which runtime works through it.
        kind: RuntimeKind,
        /// When that was noticed.
        at: Timestamp,
    },
}
