//! Takes over what runs already: after a restart of mcpd, after a start that nobody waited for, and when the streams
//! of a run broke.

use std::sync::Arc;

use bollard::models::{ContainerConfig, ContainerInspectResponse, ContainerStateStatusEnum};
use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use mcpd_core::secret::{Redactor, SecretValue};

use super::DockerRuntime;
use super::containers::{self, Found};
use super::exits;
use super::keeper::Keeper;
use super::labels::{self, Labels};
use super::runs::{Run, RunState, Sign};
use super::start::{end_line, published, started};
use super::streams::{self, Attached, Over};
use crate::runtime::log::LogBook;
use crate::runtime::{Adopted, Adoption, RuntimeError, Streams};

impl DockerRuntime {
    /// Takes over the container of the instance, if it runs; removes and tells what has ended.
    pub(super) async fn take_over(&self, instance: &InstanceId) -> Result<Adoption, RuntimeError> {
        self.release(instance).await?;
        let mut adoption = Adoption::Nothing;
        for found in self.site.containers_of(instance).await? {
            adoption = match adoption {
                // One that somebody renamed, beside the one that has our name for it now.
                Adoption::Running(_) => {
                    containers::discard(&self.site.engine, &found.id).await?;
                    adoption
                }
                Adoption::Nothing | Adoption::Ended(_) => self.take(found).await?,
            };
        }
        Ok(adoption)
    }

    /// New streams to a run that goes on; `None` where it is over.
    pub(super) async fn attach_again(
        &self,
        instance: &InstanceId,
        number: u64,
    ) -> Result<Option<Streams>, RuntimeError> {
        let run = self.site.runs.find(instance);
        let run = run.filter(|run| run.number == number && run.state() == RunState::Running);
        let (Some(run), Some(book)) = (run, self.site.books.find(instance)) else { return Ok(None) };
        let Some(id) = run.container().map(str::to_owned) else { return Ok(None) };
        let seen = containers::inspect(&self.site.engine, &id).await?;
        let Some(seen) = seen.filter(|seen| exits::exit(seen).is_none()) else {
            run.sign(Sign::Look);
            return Ok(None);
        };
        let attached = self.attach(&id, &seen, book, &run).await?;
        Ok(Some(started(number, id, String::new(), attached, &seen).streams))
    }

    /// A run of this very mcpd that nobody holds any more is let go; one that starts or ends is waited for.
    async fn release(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        let Some(run) = self.site.runs.find(instance) else { return Ok(()) };
        run.let_go();
        if run.is_within(RunState::Gone, super::SETTLE).await {
            Ok(())
        } else {
            Err(RuntimeError::StillThere { instance: instance.clone() })
        }
    }

    async fn take(&self, found: Found) -> Result<Adoption, RuntimeError> {
        let engine = &self.site.engine;
        let Some(seen) = containers::inspect(engine, &found.id).await? else { return Ok(Adoption::Nothing) };
        let Some(exit) = exits::exit(&seen) else { return self.take_running(found, &seen).await };
        containers::discard(engine, &found.id).await?;
        // What was never started has not ended either.
        Ok(if was_started(&seen) { Adoption::Ended(exit) } else { Adoption::Nothing })
    }

    async fn take_running(
        &self,
        found: Found,
        seen: &ContainerInspectResponse,
    ) -> Result<Adoption, RuntimeError> {
        let Recorded { image, labels, redactor } = Recorded::of(seen);
        let keeper = self.site.claim(&found.instance, redactor.clone())?;
        let run = keeper.run().clone();
        run.has_container(&found.id);
        let attached = self.attach(&found.id, seen, Arc::clone(&keeper.book), &run).await?;
        keeper.runs();
        self.keep(keeper, found.id.clone());
        Ok(Adoption::Running(Box::new(Adopted {
            started: started(run.number, found.id, image, attached, seen),
            revision: labels::revision(&labels),
            since: running_since(seen).unwrap_or_else(|| self.site.engine.now()),
            redactor,
        })))
    }

    async fn attach(
        &self,
        id: &str,
        seen: &ContainerInspectResponse,
        book: Arc<LogBook>,
        run: &Run,
    ) -> Result<Attached, RuntimeError> {
        let engine = &self.site.engine;
        let over = if published(seen).is_some() { Over::LogsOnly } else { Over::Stdio };
        let mut attached = engine.attend(streams::attach(&engine.docker, id, book, over)).await?;
        run.has_attachment(attached.ended.clone());
        end_line(&mut attached.stdin).await;
        Ok(attached)
    }

    fn keep(&self, keeper: Keeper, container: String) {
        self.spawn(async move { keeper.keep(&container).await });
    }
}

/// What the engine still knows of a start that an earlier mcpd made.
struct Recorded {
    image: String,
    labels: Labels,
    redactor: Redactor,
}

impl Recorded {
    fn of(seen: &ContainerInspectResponse) -> Self {
        let ContainerConfig { image, labels, env, .. } = seen.config.clone().unwrap_or_default();
        let (labels, env) = (labels.unwrap_or_default(), env.unwrap_or_default());
        let values = labels::secret_values(&labels, &env).into_iter().map(str::to_owned);
        let values: Vec<_> = values.map(SecretValue::new).collect();
        Self { image: image.unwrap_or_default(), redactor: Redactor::new(&values), labels }
    }
}

fn was_started(seen: &ContainerInspectResponse) -> bool {
    let status = seen.state.as_ref().and_then(|state| state.status);
    status != Some(ContainerStateStatusEnum::CREATED)
}

fn running_since(seen: &ContainerInspectResponse) -> Option<Timestamp> {
    seen.state.as_ref()?.started_at.as_ref()?.parse().ok()
}
