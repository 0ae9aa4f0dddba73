//! Takes over what runs already: after a restart of mcpd, after a start that nobody waited for, and when the streams
//! of a run broke.

use std::sync::Arc;

use mcpd_core::name::InstanceId;

use super::containers::{self, Found};
use super::keeper::Keeper;
use super::runs::{Run, RunState, Sign};
use super::seen::Seen;
use super::start::{end_line, started, streams};
use super::streams::{Attached, Over, attach};
use super::{DockerRuntime, SETTLE};
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
        let Some(seen) = seen.filter(|seen| seen.exit.is_none()) else {
            run.sign(Sign::Look);
            return Ok(None);
        };
        let attached = self.attach(&id, &seen, book, &run).await?;
        Ok(Some(streams(&seen, attached)))
    }

    /// A run of this very mcpd that nobody holds any more is let go; one that starts or ends is waited for.
    async fn release(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        let Some(run) = self.site.runs.find(instance) else { return Ok(()) };
        if run.let_go_within(SETTLE).await {
            Ok(())
        } else {
            Err(RuntimeError::StillThere { instance: instance.clone() })
        }
    }

    async fn take(&self, found: Found) -> Result<Adoption, RuntimeError> {
        let engine = &self.site.engine;
        let Some(seen) = containers::inspect(engine, &found.id).await? else { return Ok(Adoption::Nothing) };
        let Some(exit) = seen.exit else { return self.take_running(found, seen).await };
        containers::discard(engine, &found.id).await?;
        let is_told = self.site.runs.find_by_container(&found.id).is_some_and(|run| run.is_told());
        // What was never started has not ended either.
        Ok(if seen.was_started && !is_told { Adoption::Ended(exit) } else { Adoption::Nothing })
    }

    async fn take_running(&self, found: Found, seen: Seen) -> Result<Adoption, RuntimeError> {
        let keeper = self.site.claim(&found.instance, seen.redactor.clone())?;
        let run = keeper.run().clone();
        run.assign_container(&found.id);
        let attached = self.attach(&found.id, &seen, Arc::clone(&keeper.book), &run).await?;
        keeper.report_running();
        // It may have ended before there was a run to hear of it.
        run.sign(Sign::Look);
        self.keep(keeper, found.id.clone());
        Ok(Adoption::Running(Box::new(Adopted {
            started: started(run.number, found.id, &seen, attached),
            revision: seen.revision,
            since: seen.since.unwrap_or_else(|| self.site.engine.now()),
            redactor: seen.redactor,
        })))
    }

    async fn attach(
        &self,
        id: &str,
        seen: &Seen,
        book: Arc<LogBook>,
        run: &Run,
    ) -> Result<Attached, RuntimeError> {
        let engine = &self.site.engine;
        let over = if seen.port.is_some() { Over::LogsOnly } else { Over::Stdio };
        let mut attached = engine.attend(attach(&engine.docker, id, book, over)).await?;
        run.replace_attachment(attached.ended.clone());
        end_line(&mut attached.stdin).await;
        Ok(attached)
    }

    fn keep(&self, keeper: Keeper, container: String) {
        self.tasks.spawn(async move { keeper.keep(&container).await });
    }
}
