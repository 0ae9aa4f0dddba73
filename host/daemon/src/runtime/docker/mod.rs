//! The runtime `docker`: instances as containers of Docker Engine, or of what speaks its API.
//!
//! One container for each instance, by a name that only it can have. mcpd attaches to PID 1: stdin and stdout are
//! the instance's one connection, stderr goes into its log. Containers outlive mcpd, and the next one takes them over.
//!
//! ```text
//! start ─► image · network · create · attach · start ─► keeper ──► look ─► event (Exited) ─► remove
//!                                                          ▲ signs: something may have ended
//! monitor ─► events of the engine, pings, comparison after ┘ a time away ─► event (Away, Back)
//! adopt ───► what runs is attached to anew, and kept like what was started
//! ```

mod adopt;
mod containers;
mod create;
pub mod endpoint;
mod engine;
mod exec;
mod failure;
mod frames;
mod images;
mod keeper;
mod labels;
mod look;
mod monitor;
mod names;
mod network;
mod registry;
mod runs;
#[cfg(test)]
mod scripted;
mod seen;
mod site;
mod socket;
mod start;
mod streams;
#[cfg(test)]
mod test_engine;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Once};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use tokio::sync::{broadcast, oneshot};
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use self::containers::{ASK_DEADLINE, Found};
use self::create::Order;
use self::runs::{RunState, Sign};
use self::site::Site;
use super::log::{LogLine, LogQuery, LogStream};
use super::{
    Adoption, Clock, EngineState, Events, Exec, ExecRequest, Known, Limits, Owned, Presence, RunNumbers,
    Runtime, RuntimeError, RuntimeEvent, RuntimeKind, Sight, StartRequest, Started, Streams, SweepReport,
};
pub use create::{CPUS, MEMORY_MIB, PIDS};
pub use endpoint::{Endpoint, NoSocket};
pub use monitor::{PING_DEADLINE, PING_EVERY};
pub use start::HANDLE_PREFIX;

/// How long a container is given to end when it is asked to (behaviour 5.5).
pub const GRACE: Duration = Duration::from_secs(10);
/// How long a list waits for an engine that nobody has needed yet: it may not be there at all, and the boot waits.
const UNNEEDED_DEADLINE: Duration = Duration::from_secs(3);
/// How long a run that has ended, or whose start was given up, may take until nothing of it is left: as long as the
/// slowest step of a start.
const SETTLE: Duration = containers::WORK_DEADLINE;

/// What the docker runtime has to know.
#[derive(Clone)]
pub struct DockerConfig {
    /// The id of this mcpd; what bears it as a label is ours.
    pub owner: String,
    /// Where the engine is.
    pub endpoint: Endpoint,
    /// The network of all containers; made where it is not there.
    pub network: String,
    /// The image in which packages of npm run, where they are to run in containers.
    pub node_runner_image: Option<String>,
    /// The image in which packages of `PyPI` run, likewise.
    pub python_runner_image: Option<String>,
    /// For servers that name no limits; what is left open here is [`MEMORY_MIB`], [`CPUS`], [`PIDS`].
    pub limits: Limits,
    /// [`GRACE`] unless in a test; counted in whole seconds.
    pub grace: Duration,
    /// The clock of log lines and events.
    pub now: Clock,
    /// Numbers of runs, shared with the other runtimes of this mcpd.
    pub numbers: RunNumbers,
    /// Where events go, shared with them too.
    pub events: Events,
}

/// Runs instances as containers.
pub struct DockerRuntime {
    site: Arc<Site>,
    watched: Once,
    tasks: TaskTracker,
    /// With the runtime its tasks end; its containers stay.
    _end: DropGuard,
}

impl DockerRuntime {
    /// Prepares the runtime. Nothing is asked of the engine until something needs it.
    pub fn new(config: DockerConfig) -> Self {
        let site = Arc::new(Site::new(config));
        let end = site.end.clone().drop_guard();
        Self { site, watched: Once::new(), tasks: TaskTracker::new(), _end: end }
    }

    /// Something needs the engine: it is watched from now on.
    ///
    /// # Errors
    /// It does not answer.
    async fn need(&self) -> Result<(), RuntimeError> {
        self.watched.call_once(|| {
            let site = Arc::clone(&self.site);
            self.tasks.spawn(async move { site.end.run_until_cancelled(monitor::watch(&site)).await });
        });
        self.site.engine.looked_at().await
    }

    /// Ends one container; the keeper of its run tells the exit and removes it, where it has one.
    async fn end(&self, found: &Found) -> Result<(), RuntimeError> {
        let engine = &self.site.engine;
        containers::stop(engine, &found.id, self.site.config.grace).await?;
        if let Some(run) = self.site.runs.find_by_container(&found.id) {
            run.sign(Sign::Look);
            run.reaches(RunState::Gone, SETTLE).await;
        }
        containers::discard(engine, &found.id).await
    }

    fn owned(&self, found: Found) -> Owned {
        let run = self.site.runs.find_by_container(&found.id).map_or(0, |run| run.number);
        Owned { instance: found.instance, run, presence: found.presence }
    }
}

#[async_trait]
impl Runtime for DockerRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    /// Containers outlive mcpd, so nothing of an earlier one has to end. What nobody wants is found by who compares
    /// [`Self::list`] with what is wanted, and no engine holds up the start of mcpd.
    async fn sweep(&self, _: Vec<Known>) -> Result<SweepReport, RuntimeError> {
        Ok(SweepReport::default())
    }

    async fn adopt(&self, instance: &InstanceId) -> Result<Adoption, RuntimeError> {
        self.need().await?;
        self.take_over(instance).await
    }

    async fn reach(&self, _: &StartRequest) -> Result<(), RuntimeError> {
        self.need().await
    }

    async fn start(&self, request: StartRequest) -> Result<Started, RuntimeError> {
        let instance = request.instance.clone();
        let order = Order::new(&self.site.config, &request)?;
        self.need().await?;
        if let Some(earlier) = self.site.runs.find(&instance)
            && earlier.state() == RunState::Exited
        {
            earlier.reaches(RunState::Gone, SETTLE).await;
        }
        let keeper = self.site.claim(&instance, request.redactor.clone())?;
        let (answer, answered) = oneshot::channel();
        self.tasks.spawn(start::start(keeper, order, request.progress, answer));
        answered.await.unwrap_or(Err(RuntimeError::StoppedWhileStarting { instance }))
    }

    async fn reattach(&self, instance: &InstanceId, run: u64) -> Result<Option<Streams>, RuntimeError> {
        self.need().await?;
        self.attach_again(instance, run).await
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        let not_stopped = || RuntimeError::NotStopped { instance: instance.clone() };
        let run = self.site.runs.find(instance);
        if let Some(run) = run.filter(|run| run.state() == RunState::Starting)
            && !run.let_go_within(SETTLE).await
        {
            return Err(not_stopped());
        }
        self.need().await?;
        for found in self.site.containers_of(instance).await? {
            self.end(&found).await?;
        }
        let is_gone = self.site.containers_of(instance).await?.is_empty();
        if is_gone { Ok(()) } else { Err(not_stopped()) }
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.stop(instance).await?;
        self.forget(instance);
        Ok(())
    }

    fn forget(&self, instance: &InstanceId) {
        self.site.runs.forget(instance);
        self.site.books.forget(instance);
    }

    async fn leave(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        if let Some(run) = self.site.runs.find(instance) {
            run.let_go_within(SETTLE).await;
        }
        Ok(())
    }

    async fn doubt(&self, _: &InstanceId, since: Timestamp) -> Option<String> {
        self.site.engine.doubt(since).await
    }

    fn engines(&self) -> Vec<EngineState> {
        vec![self.site.engine.state()]
    }

    async fn exec(&self, instance: &InstanceId, request: ExecRequest) -> Result<Exec, RuntimeError> {
        self.need().await?;
        let found = self.site.containers_of(instance).await?;
        let Some(found) = found.into_iter().find(|found| found.presence == Presence::Running) else {
            return Err(RuntimeError::NoExec { instance: instance.clone() });
        };
        let engine = &self.site.engine;
        engine.attend(exec::exec(&engine.docker, &found.id, request)).await
    }

    async fn list(&self) -> Result<Vec<Owned>, RuntimeError> {
        let is_needed = self.site.engine.state().sight != Sight::Unneeded;
        // An engine that nobody needs may hold what nobody wants; to ask for that it is not watched.
        let limit = if is_needed { ASK_DEADLINE } else { UNNEEDED_DEADLINE };
        Ok(self.site.containers(limit).await?.into_iter().map(|found| self.owned(found)).collect())
    }

    fn subscribe(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.site.events.subscribe()
    }

    async fn logs(&self, instance: &InstanceId, query: LogQuery) -> Result<Vec<LogLine>, RuntimeError> {
        Ok(self.site.books.get(instance)?.lines(query))
    }

    async fn follow_logs(
        &self,
        instance: &InstanceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, RuntimeError> {
        Ok(self.site.books.get(instance)?.follow(query))
    }

    fn append_log(&self, instance: &InstanceId, line: &[u8]) {
        if let Some(book) = self.site.books.find(instance) {
            book.append(LogStream::Stdout, line, 0);
        }
    }
}
