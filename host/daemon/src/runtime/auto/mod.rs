//! The runtime `auto`: each instance in the runtime that its server asks for, processes of this host or containers.
//!
//! It remembers where each instance is, so that a process of the host is never asked of an engine that may be
//! absent, and a container is never taken for gone because its engine does not answer.
//!
//! ```text
//! start ─► place (launch, runner images, engine) ─► the other one proves it gone ─► process | docker
//! the rest ─► where it was started, adopted or listed; unknown: process, and docker where it answers
//! ```

mod engineless;
mod packages;
mod places;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use tokio::sync::broadcast;

pub use self::engineless::Engineless;
pub use self::packages::{PackagePlace, Packages};
use self::places::{Place, Places};
use super::{
    Adoption, EngineState, Events, Exec, ExecRequest, Known, Launch, LogLine, LogQuery, Owned, Runtime,
    RuntimeError, RuntimeEvent, RuntimeKind, Sight, StartRequest, Started, Streams, SweepReport,
};
use crate::clock::Clock;

/// What the runtime is made of.
pub struct AutoConfig {
    /// Processes of this host.
    pub process: Arc<dyn Runtime>,
    /// Containers; [`Engineless`] where there can be none.
    pub docker: Arc<dyn Runtime>,
    /// The channel that both were given, so that what one of them lists no more has been told before.
    pub events: Events,
    /// Where packages run.
    pub packages: Packages,
    /// Time.
    pub clock: Clock,
}

/// Delegates each instance to one of two runtimes.
pub struct AutoRuntime {
    config: AutoConfig,
    places: Places,
}

impl AutoRuntime {
    /// A runtime over these.
    pub fn new(config: AutoConfig) -> Self {
        Self { config, places: Places::default() }
    }

    fn runtime(&self, place: Place) -> &Arc<dyn Runtime> {
        match place {
            Place::Process => &self.config.process,
            Place::Docker => &self.config.docker,
        }
    }

    /// Where the instance is; what is not known to be in a container is none.
    fn runtime_of(&self, instance: &InstanceId) -> &Arc<dyn Runtime> {
        self.runtime(self.places.find(instance).unwrap_or(Place::Process))
    }

    /// Whether an instance of which nothing is known is worth asking the engine for. What it holds although it
    /// does not answer now is an orphan for the periodic scan once it does.
    fn is_engine_seen(&self) -> bool {
        self.config.docker.engines().iter().any(|engine| matches!(engine.sight, Sight::Seen(_)))
    }

    async fn place(&self, request: &StartRequest) -> Result<Place, RuntimeError> {
        match &request.launch {
            Launch::Command { .. } => Ok(Place::Process),
            Launch::Image { .. } => Ok(Place::Docker),
            Launch::NodePackage { package, .. } => {
                self.place_package(&request.instance, package, self.config.packages.node).await
            }
            Launch::PythonPackage { package, .. } => {
                self.place_package(&request.instance, package, self.config.packages.python).await
            }
        }
    }

    async fn place_package(
        &self,
        instance: &InstanceId,
        package: &str,
        place: PackagePlace,
    ) -> Result<Place, RuntimeError> {
        match place {
            PackagePlace::Host => Ok(Place::Process),
            PackagePlace::Container => Ok(Place::Docker),
            PackagePlace::Nowhere(key) => Err(RuntimeError::NoRunner { package: package.to_owned(), key }),
            // What may still be in a container is not started beside it on the host (behaviour 5.3).
            PackagePlace::ContainerIfAny if self.places.may_run_in(instance) == Some(Place::Docker) => {
                Ok(Place::Docker)
            }
            PackagePlace::ContainerIfAny => {
                let doubt = self.config.docker.doubt(instance, self.config.clock.now()).await;
                Ok(if doubt.is_none() { Place::Docker } else { Place::Process })
            }
        }
    }

    /// The instance changes its runtime: what may be there is proved gone first (behaviour 5.3), and nothing is
    /// kept of it in two places.
    async fn leave_for_good(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        let may_run = self.places.may_run_in(instance).is_some();
        let removed = self.end(instance, End::Remove).await;
        if may_run { removed } else { Ok(()) }
    }

    /// Removes containers of instances that run on the host (behaviour 5.3), and gives the rest. Such a second one
    /// comes of an mcpd that was killed before it had written down where it started a package, and of an engine that
    /// was away when the next one looked.
    async fn without_seconds(&self, contained: Vec<Owned>) -> Vec<Owned> {
        let mut kept = Vec::with_capacity(contained.len());
        for owned in contained {
            if self.places.may_run_in(&owned.instance) != Some(Place::Process) {
                kept.push(owned);
                continue;
            }
            match self.config.docker.remove(&owned.instance).await {
                Ok(()) => {
                    tracing::warn!(instance = %owned.instance, "removed a container beside its process");
                }
                Err(error) => {
                    tracing::warn!(instance = %owned.instance, %error, "a container stays beside its process for now");
                    kept.push(owned);
                }
            }
        }
        kept
    }

    /// Stops or removes the instance wherever it may be.
    async fn end(&self, instance: &InstanceId, end: End) -> Result<(), RuntimeError> {
        let Some(place) = self.places.find(instance) else {
            end.apply(&self.config.process, instance).await?;
            if !self.is_engine_seen() {
                return Ok(());
            }
            return match end.apply(&self.config.docker, instance).await {
                Err(RuntimeError::EngineAway { .. }) => Ok(()),
                ended => ended,
            };
        };
        if place == Place::Docker && self.places.may_run_in(instance).is_none() {
            // It is proved gone, and needs no engine to be so again.
            if end == End::Remove {
                self.config.docker.forget(instance);
            }
            return Ok(());
        }
        end.apply(self.runtime(place), instance).await
    }
}

/// The two ends of an instance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stop,
    Remove,
}

impl End {
    async fn apply(self, runtime: &Arc<dyn Runtime>, instance: &InstanceId) -> Result<(), RuntimeError> {
        match self {
            Self::Stop => runtime.stop(instance).await,
            Self::Remove => runtime.remove(instance).await,
        }
    }
}

#[async_trait]
impl Runtime for AutoRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Auto
    }

    /// What an engine refuses keeps no process from running: its leftovers are found by the periodic scan.
    async fn sweep(&self, known: Vec<Known>) -> Result<SweepReport, RuntimeError> {
        self.places.read_handles(&known);
        let (process, docker) = (&self.config.process, &self.config.docker);
        let (processes, containers) = tokio::join!(process.sweep(known.clone()), docker.sweep(known));
        let mut report = processes?;
        match containers {
            Ok(swept) => report.ended.extend(swept.ended),
            Err(error) => tracing::warn!(%error, "what an earlier mcpd left in containers is not swept yet"),
        }
        // A crash may have come before the handle of a container was written down.
        if let Ok(contained) = docker.list().await {
            self.places.saw(&contained);
        }
        Ok(report)
    }

    async fn adopt(&self, instance: &InstanceId) -> Result<Adoption, RuntimeError> {
        let docker = &self.config.docker;
        let adopted = match self.places.find(instance) {
            Some(Place::Process) => return self.config.process.adopt(instance).await,
            Some(Place::Docker) => docker.adopt(instance).await?,
            None if self.is_engine_seen() => match docker.adopt(instance).await {
                // The start will say it, where it needs the engine.
                Err(RuntimeError::EngineAway { .. }) => return Ok(Adoption::Nothing),
                adopted => adopted?,
            },
            None => return Ok(Adoption::Nothing),
        };
        match &adopted {
            Adoption::Running(running) => self.places.runs(instance, Place::Docker, running.started.run),
            Adoption::Ended(_) => self.places.ended_in(instance, Place::Docker),
            Adoption::Nothing => self.places.ended(instance),
        }
        Ok(adopted)
    }

    async fn start(&self, request: StartRequest) -> Result<Started, RuntimeError> {
        let place = self.place(&request).await?;
        let (instance, before) = (request.instance.clone(), self.places.find(&request.instance));
        if before.is_some_and(|before| before != place) {
            self.leave_for_good(&instance).await?;
        }
        // What cannot even be asked for is nowhere, and can be deleted without the engine. From here on something
        // may be there, whatever the start says.
        self.runtime(place).reach(&request).await?;
        self.places.may_run(&instance, place);
        let started = self.runtime(place).start(request).await;
        match &started {
            Ok(started) => self.places.runs(&instance, place, started.run),
            // Who refuses has removed what was begun.
            Err(RuntimeError::EngineRefused { .. } | RuntimeError::CannotStart { .. }) => {
                self.places.ended(&instance);
            }
            Err(_) => {}
        }
        started
    }

    async fn reattach(&self, instance: &InstanceId, run: u64) -> Result<Option<Streams>, RuntimeError> {
        self.runtime_of(instance).reattach(instance, run).await
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.end(instance, End::Stop).await?;
        self.places.ended(instance);
        Ok(())
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.end(instance, End::Remove).await?;
        self.places.forget(instance);
        Ok(())
    }

    async fn leave(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.runtime_of(instance).leave(instance).await
    }

    async fn doubt(&self, instance: &InstanceId, since: Timestamp) -> Option<String> {
        self.runtime_of(instance).doubt(instance, since).await
    }

    fn engines(&self) -> Vec<EngineState> {
        [&self.config.process, &self.config.docker]
            .into_iter()
            .flat_map(|runtime| runtime.engines())
            .collect()
    }

    async fn exec(&self, instance: &InstanceId, request: ExecRequest) -> Result<Exec, RuntimeError> {
        self.runtime_of(instance).exec(instance, request).await
    }

    /// An engine that does not answer takes nothing off the list: what was there stays on it as
    /// [`Unseen`](super::Presence::Unseen).
    async fn list(&self) -> Result<Vec<Owned>, RuntimeError> {
        let mut owned = self.config.process.list().await?;
        match self.config.docker.list().await {
            Ok(contained) => {
                self.places.saw(&contained);
                owned.extend(self.without_seconds(contained).await);
            }
            Err(error) => {
                tracing::debug!(%error, "containers not listed");
                owned.extend(self.places.unseen());
            }
        }
        Ok(owned)
    }

    fn subscribe(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.config.events.subscribe()
    }

    async fn logs(&self, instance: &InstanceId, query: LogQuery) -> Result<Vec<LogLine>, RuntimeError> {
        self.runtime_of(instance).logs(instance, query).await
    }

    async fn follow_logs(
        &self,
        instance: &InstanceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, RuntimeError> {
        self.runtime_of(instance).follow_logs(instance, query).await
    }

    fn append_log(&self, instance: &InstanceId, line: &[u8]) {
        self.runtime_of(instance).append_log(instance, line);
    }
}
