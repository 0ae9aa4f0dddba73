//! The fake runtime as the driver sees it.

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::{Asked, FakeRuntime, OnStart, OnStop, Place, Run};
use crate::runtime::{
    Adoption, EngineState, Known, LogLine, LogQuery, Owned, Presence, Runtime, RuntimeError, RuntimeEvent,
    RuntimeKind, StartRequest, Started, Streams, SweepReport,
};

#[async_trait]
impl Runtime for FakeRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Auto
    }

    async fn sweep(&self, known: Vec<Known>) -> Result<SweepReport, RuntimeError> {
        self.lock().history.swept = known;
        Ok(SweepReport::default())
    }

    async fn adopt(&self, instance: &InstanceId) -> Result<Adoption, RuntimeError> {
        self.refuse_if_away()?;
        Ok(self.take_over(instance))
    }

    async fn start(&self, request: StartRequest) -> Result<Started, RuntimeError> {
        let env = request.env.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        let (at, server) = (Instant::now(), request.server.clone());
        self.lock().history.asked.push(Asked { at, server, env });
        let script = self.script_of(&request.server);
        if script.place != Place::Process {
            self.refuse_if_away()?;
        }
        script.pull.iter().for_each(|told| request.progress.tell(told.clone()));
        match script.start {
            OnStart::Runs => {}
            OnStart::RunsAfter(wait) => tokio::time::sleep(wait).await,
            OnStart::LosesEngineAfter(wait) => {
                tokio::time::sleep(wait).await;
                let (endpoint, reason) = ("unix:///fake.sock".to_owned(), "broken pipe".to_owned());
                return Err(RuntimeError::EngineAway { endpoint, reason });
            }
            OnStart::Fails(reason) => {
                return Err(RuntimeError::CannotStart { program: "fake".into(), reason: reason.into() });
            }
        }
        self.run(&request)
    }

    async fn reattach(&self, instance: &InstanceId, run: u64) -> Result<Option<Streams>, RuntimeError> {
        self.refuse_if_away()?;
        Ok(self.attach_anew(instance, run))
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        let run = self.lock().runs.get(instance).map(|run| (run.server.clone(), run.contained.is_some()));
        let Some((server, is_contained)) = run else { return Ok(()) };
        if is_contained {
            self.refuse_if_away()?;
        }
        match self.script_of(&server).stop {
            OnStop::Ends => {
                let exit = self.stopped_exit(instance).await;
                self.lock().history.stopped.push(exit);
                self.exit(instance, exit, "");
            }
            OnStop::Fails => return Err(RuntimeError::NotStopped { instance: instance.clone() }),
        }
        Ok(())
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.stop(instance).await?;
        self.lock().history.removed.push(instance.clone());
        Ok(())
    }

    async fn leave(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        let is_contained = |run: &Run| run.contained.is_some();
        if self.lock().runs.get(instance).is_some_and(is_contained) {
            return Ok(());
        }
        self.stop(instance).await
    }

    async fn doubt(&self, _: &InstanceId, _: Timestamp) -> Option<String> {
        let trouble = self.lock().trouble.clone();
        trouble.or_else(|| self.refuse_if_away().err().map(|error| error.to_string()))
    }

    fn engines(&self) -> Vec<EngineState> {
        vec![self.engine()]
    }

    /// Without containers while their engine is away: of these nothing is said then, not that they are gone.
    async fn list(&self) -> Result<Vec<Owned>, RuntimeError> {
        let is_away = self.lock().away.is_some();
        let owned = |(id, run): (&InstanceId, &Run)| Owned {
            instance: id.clone(),
            run: run.number,
            presence: Presence::Running,
        };
        let (owned, wait) = {
            let state = self.lock();
            let listed = state.runs.iter().filter(|(_, run)| !is_away || run.contained.is_none());
            (listed.map(owned).collect(), state.list_takes)
        };
        tokio::time::sleep(wait).await;
        Ok(owned)
    }

    fn subscribe(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.events.subscribe()
    }

    async fn logs(&self, _: &InstanceId, _: LogQuery) -> Result<Vec<LogLine>, RuntimeError> {
        Ok(Vec::new())
    }

    async fn follow_logs(
        &self,
        _: &InstanceId,
        _: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, RuntimeError> {
        Ok(stream::empty().boxed())
    }

    fn append_log(&self, _: &InstanceId, _: &[u8]) {}
}
