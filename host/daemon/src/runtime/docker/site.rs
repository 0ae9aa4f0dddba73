//! What all parts of the runtime stand on: the engine, what is known of the runs there, and whom to tell.

use std::sync::Arc;
use std::time::Duration;

use mcpd_core::name::InstanceId;
use mcpd_core::secret::Redactor;
use tokio_util::sync::CancellationToken;

use super::DockerConfig;
use super::containers::{self, ASK_DEADLINE, Found};
use super::engine::Engine;
use super::keeper::Keeper;
use super::network::Network;
use super::runs::{Run, RunState, Runs, Sign};
use crate::runtime::books::Books;
use crate::runtime::{Events, Presence, RuntimeError};

/// One engine and what this mcpd has there.
pub(super) struct Site {
    pub(super) config: DockerConfig,
    pub(super) engine: Engine,
    pub(super) network: Network,
    pub(super) runs: Runs,
    pub(super) books: Books,
    pub(super) events: Events,
    /// With it all tasks end; what runs goes on.
    pub(super) end: CancellationToken,
}

impl Site {
    pub(super) fn new(config: DockerConfig) -> Self {
        let end = CancellationToken::new();
        Self {
            engine: Engine::new(&config.endpoint, config.now.clone()),
            network: Network::new(config.network.clone()),
            runs: Runs::new(config.numbers.clone(), end.clone()),
            books: Books::new(config.now.clone()),
            events: config.events.clone(),
            end,
            config,
        }
    }

    /// Our containers of one instance.
    pub(super) async fn containers_of(&self, instance: &InstanceId) -> Result<Vec<Found>, RuntimeError> {
        containers::list(&self.engine, &self.config.owner, Some(instance), ASK_DEADLINE).await
    }

    /// All our containers, where the engine gives them within `limit`. Runs whose container is not among them any more, or has ended, are looked at.
    pub(super) async fn containers(&self, limit: Duration) -> Result<Vec<Found>, RuntimeError> {
        let running = self.runs.running();
        let found = containers::list(&self.engine, &self.config.owner, None, limit).await?;
        for run in missed(running, &found) {
            run.sign(Sign::Look);
        }
        Ok(found)
    }

    /// Opens a run for the instance, and a page of its log.
    pub(super) fn claim(
        self: &Arc<Self>,
        instance: &InstanceId,
        redactor: Redactor,
    ) -> Result<Keeper, RuntimeError> {
        let Some(claim) = self.runs.claim(instance) else {
            return Err(RuntimeError::StillThere { instance: instance.clone() });
        };
        let book = self.books.open(instance);
        book.turn_page(redactor);
        Ok(Keeper::new(Arc::clone(self), instance.clone(), book, claim))
    }
}

/// Those of the runs that were running and are not, going by what the engine listed since.
pub(super) fn missed(running: Vec<Run>, found: &[Found]) -> impl Iterator<Item = Run> {
    let is_running = |run: &Run| {
        let is_its = |found: &&Found| Some(found.id.as_str()) == run.container();
        found.iter().find(is_its).is_some_and(|found| found.presence == Presence::Running)
    };
    let missed: Vec<_> = running.into_iter().filter(|run| !is_running(run)).collect();
    missed.into_iter().filter(|run| run.state() == RunState::Running)
}
