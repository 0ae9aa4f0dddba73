//! A runtime without processes, for tests: each start is a small MCP server in this process, at the other end of
//! a pipe in memory, and does what the test's script says.

mod server;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use mcpd_core::name::{InstanceId, ServerName};
use tokio::sync::broadcast;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    EVENTS_KEPT_MAX, EngineState, Exit, Handle, Known, LogLine, LogQuery, Owned, Presence, Runtime,
    RuntimeError, RuntimeEvent, RuntimeKind, StartRequest, Started, Streams, SweepReport,
};

/// Room of each pipe: more than any message of a test.
const PIPE_BYTES: usize = 64 * 1024;

/// How long a server that is stopped may take to end because its stdin is closed (behaviour 5.5).
const STDIN_GRACE: Duration = Duration::from_secs(2);

/// SIGTERM, which ends one that has not.
const SIGTERM: i32 = 15;

/// What a server does, and the runtime with it. Changing it changes also what runs already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) start: OnStart,
    pub(crate) stop: OnStop,
    pub(crate) greeting: Greeting,
    /// What calls of tools lead to, by the tool's name; others answer `ok`.
    pub(crate) tools: HashMap<&'static str, OnCall>,
}

/// What a start leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum OnStart {
    #[default]
    Runs,
    RunsAfter(Duration),
    Fails(&'static str),
}

/// What a stop leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum OnStop {
    #[default]
    Ends,
    Fails,
}

/// How a server takes the handshake.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Greeting {
    #[default]
    Answers,
    Refuses(&'static str),
    Silent,
}

/// What a call leads to. The server does one thing after the other, like many.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OnCall {
    Text(&'static str),
    ToolError(&'static str),
    RpcError(&'static str),
    After(Duration),
    Silent,
}

/// A start that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) server: ServerName,
    /// `NAME=value`.
    pub(crate) env: Vec<String>,
}

/// A request that a server received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) at: Instant,
    pub(crate) instance: InstanceId,
    pub(crate) method: String,
}

/// Clones share it.
#[derive(Clone)]
pub(crate) struct FakeRuntime {
    state: Arc<Mutex<State>>,
    events: broadcast::Sender<RuntimeEvent>,
}

#[derive(Default)]
struct State {
    scripts: HashMap<ServerName, Script>,
    runs: HashMap<InstanceId, Run>,
    tasks: JoinSet<()>,
    last_number: u64,
    asked: Vec<Asked>,
    received: Vec<Received>,
    peaks: HashMap<ServerName, usize>,
    swept: Vec<Known>,
    stopped: Vec<Exit>,
}

struct Run {
    number: u64,
    server: ServerName,
    task: AbortHandle,
    ended: CancellationToken,
}

impl FakeRuntime {
    pub(crate) fn new() -> Self {
        Self { state: Arc::default(), events: broadcast::channel(EVENTS_KEPT_MAX).0 }
    }

    /// Changes what the instances of a server do.
    pub(crate) fn script(&self, server: &str, change: impl FnOnce(&mut Script)) {
        change(self.lock().scripts.entry(server.into()).or_default());
    }

    /// What a tool of a server does from now on.
    pub(crate) fn tool(&self, server: &str, tool: &'static str, on_call: OnCall) {
        self.script(server, |script| {
            script.tools.insert(tool, on_call);
        });
    }

    /// The server ends by itself.
    pub(crate) fn exit(&self, instance: &InstanceId, exit: Exit, stderr_tail: &str) {
        if let Some(run) = self.end(instance) {
            self.tell(instance, run, exit, stderr_tail);
        }
    }

    /// It is gone, and nobody hears of it, not even by its streams.
    pub(crate) fn vanish(&self, instance: &InstanceId) {
        self.lock().runs.remove(instance);
    }

    /// The server closes its streams and lives on.
    pub(crate) fn hang_up(&self, instance: &InstanceId) {
        if let Some(run) = self.lock().runs.get(instance) {
            run.task.abort();
        }
    }

    /// Every start that was asked for, in order.
    pub(crate) fn asked(&self, server: &str) -> Vec<Asked> {
        self.lock().asked.iter().filter(|asked| asked.server.as_str() == server).cloned().collect()
    }

    /// Every request that reached an instance, in order.
    pub(crate) fn received(&self, method: &str) -> Vec<Received> {
        self.lock().received.iter().filter(|received| received.method == method).cloned().collect()
    }

    /// The instances that are there.
    pub(crate) fn running(&self, server: &str) -> Vec<InstanceId> {
        let state = self.lock();
        let of_server = state.runs.iter().filter(|(_, run)| run.server.as_str() == server);
        of_server.map(|(id, _)| id.clone()).collect()
    }

    /// The most instances of a server that were there at once.
    pub(crate) fn peak(&self, server: &str) -> usize {
        self.lock().peaks.get(server).copied().unwrap_or_default()
    }

    /// What the sweep was told of.
    pub(crate) fn swept(&self) -> Vec<Known> {
        self.lock().swept.clone()
    }

    /// How each server that was stopped ended, in order.
    pub(crate) fn stopped(&self) -> Vec<Exit> {
        self.lock().stopped.clone()
    }

    async fn stopped_exit(&self, instance: &InstanceId) -> Exit {
        let ended = self.lock().runs.get(instance).map(|run| run.ended.clone()).unwrap_or_default();
        let is_ended = tokio::time::timeout(STDIN_GRACE, ended.cancelled()).await.is_ok();
        if is_ended { Exit::Code(0) } else { Exit::Signal(SIGTERM) }
    }

    fn script_of(&self, server: &ServerName) -> Script {
        self.lock().scripts.get(server).cloned().unwrap_or_default()
    }

    fn end(&self, instance: &InstanceId) -> Option<u64> {
        let run = self.lock().runs.remove(instance)?;
        run.task.abort();
        Some(run.number)
    }

    fn tell(&self, instance: &InstanceId, run: u64, exit: Exit, stderr_tail: &str) {
        // Nobody listening is no failure.
        let _ = self.events.send(RuntimeEvent::Exited {
            instance: instance.clone(),
            run,
            exit,
            at: Timestamp::UNIX_EPOCH,
            stderr_tail: stderr_tail.to_owned(),
        });
    }

    fn run(&self, request: &StartRequest) -> Result<Started, RuntimeError> {
        let mut state = self.lock();
        if state.runs.contains_key(&request.instance) {
            return Err(RuntimeError::StillThere { instance: request.instance.clone() });
        }
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let (ended, server) =
            (CancellationToken::new(), server::serve(self.clone(), request.clone(), theirs));
        let guard = ended.clone().drop_guard();
        let task = state.tasks.spawn(async move {
            let _guard = guard;
            server.await;
        });
        state.last_number += 1;
        let number = state.last_number;
        let run = Run { number, server: request.server.clone(), task, ended };
        state.runs.insert(request.instance.clone(), run);
        let there = state.runs.values().filter(|run| run.server == request.server).count();
        let peak = state.peaks.entry(request.server.clone()).or_default();
        *peak = there.max(*peak);
        let (stdout, stdin) = tokio::io::split(ours);
        let handle = Handle(format!("run-{number}"));
        let streams = Streams::Other { stdin: Box::new(stdin), stdout: Box::new(stdout) };
        Ok(Started { run: number, handle, pid: None, container: None, streams })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Runtime for FakeRuntime {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::Process
    }

    async fn sweep(&self, known: Vec<Known>) -> Result<SweepReport, RuntimeError> {
        self.lock().swept = known;
        Ok(SweepReport::default())
    }

    async fn start(&self, request: StartRequest) -> Result<Started, RuntimeError> {
        let env = request.env.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        let (at, server) = (Instant::now(), request.server.clone());
        self.lock().asked.push(Asked { at, server, env });
        match self.script_of(&request.server).start {
            OnStart::Runs => {}
            OnStart::RunsAfter(wait) => tokio::time::sleep(wait).await,
            OnStart::Fails(reason) => {
                return Err(RuntimeError::CannotStart { program: "fake".into(), reason: reason.into() });
            }
        }
        self.run(&request)
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        let server = self.lock().runs.get(instance).map(|run| run.server.clone());
        let Some(server) = server else { return Ok(()) };
        match self.script_of(&server).stop {
            OnStop::Ends => {
                let exit = self.stopped_exit(instance).await;
                self.lock().stopped.push(exit);
                self.exit(instance, exit, "");
            }
            OnStop::Fails => return Err(RuntimeError::NotStopped { instance: instance.clone() }),
        }
        Ok(())
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.stop(instance).await
    }

    fn engines(&self) -> Vec<EngineState> {
        Vec::new()
    }

    async fn list(&self) -> Result<Vec<Owned>, RuntimeError> {
        let owned = |(id, run): (&InstanceId, &Run)| Owned {
            instance: id.clone(),
            run: run.number,
            presence: Presence::Running,
        };
        Ok(self.lock().runs.iter().map(owned).collect())
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
