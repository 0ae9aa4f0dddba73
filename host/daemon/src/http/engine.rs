//! What the API asks of the working parts of mcpd: the driver, the router, the checks and the runtime.
//!
//! Desired state does not come this way: it is written to the store, and the engine is told where to look.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use mcpd_api::view::PartView;
use mcpd_core::check::CheckRecord;
use mcpd_core::name::InstanceId;
use mcpd_mcp::Answer;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::checks::NotChecked;
use crate::router::RouteError;
use crate::runtime::auto::Packages;
use crate::runtime::{Exec, ExecRequest, RuntimeError, Sight};
use crate::state::{Cell, DesiredError, ServerCell};
use crate::store::ServerRow;

/// The working parts of mcpd, as far as the API needs them.
#[async_trait]
pub trait Engine: Send + Sync + fmt::Debug {
    /// What is wanted of a server stands in the store now; it is put on the board and looked at.
    ///
    /// # Errors
    /// When the row cannot be read as a manifest.
    fn server_changed(&self, row: &ServerRow) -> Result<(), DesiredError>;

    /// A secret was written or removed: who waits for it is woken, and who uses another value is rolled.
    fn secret_changed(&self, secret: &str);

    /// The same for all secrets of a backend.
    async fn backend_changed(&self, backend: &str);

    /// Stops and removes an instance; the next pass replaces it. False where that is not written down yet,
    /// so that a crash would forget it.
    async fn delete_instance(&self, cell: &Arc<Cell>) -> bool;

    /// Forgets a server and its instances at once, without a proof that they are gone. What is left of them is
    /// removed as soon as its engine answers; gives the instances of which something may be left, for that is not
    /// waited for.
    ///
    /// # Errors
    /// When that is not written down: what was not forgotten goes on to be stopped.
    async fn forget_server(&self, server: &ServerCell) -> Result<Vec<InstanceId>, NotWritten>;

    /// The same for one instance, which the next pass replaces.
    async fn forget_instance(&self, cell: &Arc<Cell>) -> Result<Vec<InstanceId>, NotWritten>;

    /// The replica whose turn it is, for calls that belong together.
    fn pick(&self, server: &ServerCell) -> Result<InstanceId, RouteError>;

    /// Makes a call through a Ready replica of the server, or through the instance named. Bounded by
    /// `timeout`; dropping the future cancels the call at the server.
    async fn call(
        &self,
        server: &ServerCell,
        instance: Option<&str>,
        method: &str,
        params: Option<&RawValue>,
        timeout: Duration,
    ) -> Result<Answer, RouteError>;

    /// Waits for a check of the instance that is under way, then runs one.
    async fn check_now(&self, cell: &Arc<Cell>) -> Result<Arc<CheckRecord>, NotChecked>;

    /// The lines of an instance's log, oldest first, secrets masked, without their ends.
    async fn logs(
        &self,
        instance: &InstanceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, String>, LogError>;

    /// Runs a command beside the server of the instance, for a person.
    async fn exec(&self, cell: &Arc<Cell>, request: ExecRequest) -> Result<Exec, NotExecuted>;

    /// What can be run in containers; asks nobody.
    fn containers(&self) -> Containers;

    /// The same, after an engine that nobody has needed yet was asked whether it is there.
    async fn look_for_containers(&self) -> Containers;

    /// How the runtime is and what else mcpd depends on; the store and the secret backends are asked by
    /// the API itself.
    async fn parts(&self) -> Vec<PartView>;

    /// All metrics in the text format of Prometheus.
    async fn metrics(&self) -> String;
}

/// What can be run in containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containers {
    /// The engine as it was seen last; `None` where the configuration leaves none to mcpd.
    pub engine: Option<Sight>,
    /// Where packages run.
    pub packages: Packages,
}

/// Which lines of a log are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// The last so many only; all that are kept where left out.
    pub tail: Option<usize>,
    /// Of which attempt, and whether to wait for more.
    pub span: LogSpan,
}

/// Which part of a log is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogSpan {
    /// What the present attempt has written.
    #[default]
    Kept,
    /// The same, and all that is written from now on, until the instance is removed.
    Follow,
    /// What the attempt before has written.
    Previous,
}

/// The store does not answer.
#[derive(Debug, Error)]
#[error("the store does not answer, so what was to be forgotten is not yet")]
pub struct NotWritten;

/// The runtime gives no log.
#[derive(Debug, Error)]
#[error("cannot read the log of instance {instance}: {reason}")]
pub struct LogError {
    /// The instance.
    pub instance: InstanceId,
    /// The runtime's words.
    pub reason: String,
}

/// Why no command runs.
#[derive(Debug, Error)]
pub enum NotExecuted {
    /// There is nothing that it could run beside.
    #[error("instance {instance} is {status}, and a command runs in a RUNNING one only")]
    NotRunning {
        /// The instance.
        instance: InstanceId,
        /// Its status.
        status: &'static str,
    },
    /// The runtime did not start it.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}
