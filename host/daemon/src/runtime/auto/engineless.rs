//! What stands for containers where the configuration leaves no engine: an earlier configuration may have started
//! some, and nobody can look at them now.

use async_trait::async_trait;
use futures::stream::BoxStream;
use mcpd_core::name::InstanceId;
use tokio::sync::broadcast;

use crate::runtime::invocation::Invocation;
use crate::runtime::{
    Adoption, EngineState, Events, Known, LogLine, LogQuery, Owned, Runtime, RuntimeError, RuntimeEvent,
    RuntimeKind, StartRequest, Started, SweepReport,
};

/// A runtime of containers without an engine. Where an earlier mcpd left a container it may still run, so nothing
/// is proved gone here.
#[derive(Debug)]
pub struct Engineless(pub Events);

#[async_trait]
impl Runtime for Engineless {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Docker
    }

    async fn sweep(&self, _: Vec<Known>) -> Result<SweepReport, RuntimeError> {
        Ok(SweepReport::default())
    }

    async fn adopt(&self, instance: &InstanceId) -> Result<Adoption, RuntimeError> {
        Err(cannot(format!("look for the container of instance {instance}, which may still run")))
    }

    async fn reach(&self, request: &StartRequest) -> Result<(), RuntimeError> {
        Invocation::new(&request.launch, &request.args)?;
        Err(cannot(format!("run instance {} in a container", request.instance)))
    }

    async fn start(&self, request: StartRequest) -> Result<Started, RuntimeError> {
        Err(cannot(format!("run instance {} in a container", request.instance)))
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        Err(cannot(format!("stop instance {instance}, whose container may still run")))
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.stop(instance).await
    }

    async fn leave(&self, _: &InstanceId) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn engines(&self) -> Vec<EngineState> {
        Vec::new()
    }

    async fn list(&self) -> Result<Vec<Owned>, RuntimeError> {
        Err(cannot("list containers".to_owned()))
    }

    fn subscribe(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.0.subscribe()
    }

    async fn logs(&self, instance: &InstanceId, _: LogQuery) -> Result<Vec<LogLine>, RuntimeError> {
        Err(RuntimeError::UnknownInstance { instance: instance.clone() })
    }

    async fn follow_logs(
        &self,
        instance: &InstanceId,
        _: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, RuntimeError> {
        Err(RuntimeError::UnknownInstance { instance: instance.clone() })
    }

    fn append_log(&self, _: &InstanceId, _: &[u8]) {}
}

fn cannot(doing: String) -> RuntimeError {
    RuntimeError::NoEngine { doing }
}
