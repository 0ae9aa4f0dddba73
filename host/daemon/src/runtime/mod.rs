//! The runtime port: what mcpd asks of whatever runs its instances, in words that fit a process and a
//! container alike.
//!
//! An adapter is one folder here, and passes the suite in `conformance.rs`.

pub mod error;
pub mod exit;
#[cfg(test)]
pub(crate) mod fake;
pub mod log;
pub mod process;
pub mod request;

use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

pub use error::RuntimeError;
pub use exit::Exit;
pub use log::{Attempt, LogLine, LogQuery, LogStream};
pub use request::{Launch, StartRequest, Started, Streams};

/// Runs instances, and says the truth about them.
///
/// Between a `start` and the end of what it started lies one *run*, with a number that is unique within
/// the life of this mcpd; an event names it, so that a late event is never taken for a new one.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Which runtime this is.
    fn kind(&self) -> RuntimeKind;

    /// Ends what an earlier mcpd left behind, and forgets what belongs to no instance in `known`.
    ///
    /// Called once, before anything is started; after it, what is there is what is wanted.
    async fn sweep(&self, known: Vec<Known>) -> Result<SweepReport, RuntimeError>;

    /// Starts an instance, and returns once the runtime reports it as running.
    ///
    /// Waits for an earlier run that has ended until it is proved gone (behaviour 5.3). Where the caller
    /// goes away before the answer, what was begun is ended.
    async fn start(&self, request: StartRequest) -> Result<Started, RuntimeError>;

    /// Stops an instance gently, then less so (behaviour 5.5); returns when it is proved gone.
    ///
    /// Its stdin was closed before by whoever holds its streams; here it is given the time to end by that.
    /// An instance that is unknown or gone already is stopped. Logs stay until [`Self::remove`].
    async fn stop(&self, instance: &InstanceId) -> Result<(), RuntimeError>;

    /// Stops an instance and forgets all that was kept for it: its folder, its logs.
    async fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError>;

    /// What is there now and not yet proved gone, for the periodic scan behind the events.
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

/// The runtimes there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// Processes of this host.
    Process,
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "process",
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
}
