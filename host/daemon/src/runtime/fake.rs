//! A runtime without processes, for tests: each start is a small MCP server in this process, at the other end of
//! a pipe in memory, and does what the test's script says.

mod engine;
mod port;
mod server;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::name::{InstanceId, ServerName};
use tokio::sync::{broadcast, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::engine::Attachments;
use self::engine::{Attachment, Contained};
use super::{
    EVENTS_KEPT_MAX, Exit, Handle, Known, RuntimeError, RuntimeEvent, StartProgress, StartRequest, Started,
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
    /// How it takes every greeting but the first of a run.
    pub(crate) second_greeting: Greeting,
    pub(crate) place: Place,
    pub(crate) attach: OnAttach,
    /// Told before a start.
    pub(crate) pull: Vec<StartProgress>,
    /// What calls of tools lead to, by the tool's name; others answer `ok`.
    pub(crate) tools: HashMap<&'static str, OnCall>,
}

/// What a start leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum OnStart {
    #[default]
    Runs,
    RunsAfter(Duration),
    LosesEngineAfter(Duration),
    Fails(&'static str),
}

/// What a stop leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum OnStop {
    #[default]
    Ends,
    Fails,
}

/// Where a server runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    #[default]
    Process,
    Container,
    /// A container whose server listens on a port.
    Port,
}

/// What a second attachment leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum OnAttach {
    #[default]
    Works,
    EndsAtOnce,
    Never,
}

/// How a server takes the handshake.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Greeting {
    #[default]
    Answers,
    Refuses(&'static str),
    Silent,
    /// It exits with code 1 and these words on its stderr.
    Exits(&'static str),
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

struct State {
    scripts: HashMap<ServerName, Script>,
    runs: HashMap<InstanceId, Run>,
    tasks: JoinSet<()>,
    last_number: u64,
    history: History,
    /// Ends that a dead mcpd did not see.
    ended: HashMap<InstanceId, Exit>,
    /// Ends that the engine could not tell.
    missed: Vec<(InstanceId, u64, Exit)>,
    away: Option<String>,
    is_frozen: bool,
    /// Why nothing true can be said, though the engine answers.
    trouble: Option<String>,
    is_watched: bool,
    list_takes: Duration,
}

/// What one mcpd asked for.
#[derive(Default)]
struct History {
    asked: Vec<Asked>,
    received: Vec<Received>,
    peaks: HashMap<ServerName, usize>,
    swept: Vec<Known>,
    stopped: Vec<Exit>,
    removed: Vec<InstanceId>,
    adoptions: Vec<(InstanceId, Instant)>,
    reattachments: Vec<(InstanceId, Instant)>,
}

struct Run {
    number: u64,
    server: ServerName,
    task: AbortHandle,
    ended: CancellationToken,
    contained: Option<Contained>,
}

impl State {
    fn script(&self, server: &ServerName) -> Script {
        self.scripts.get(server).cloned().unwrap_or_default()
    }
}

impl FakeRuntime {
    pub(crate) fn new() -> Self {
        let state = State {
            scripts: HashMap::new(),
            runs: HashMap::new(),
            tasks: JoinSet::new(),
            last_number: 0,
            history: History::default(),
            ended: HashMap::new(),
            missed: Vec::new(),
            away: None,
            is_frozen: false,
            trouble: None,
            is_watched: true,
            list_takes: Duration::ZERO,
        };
        let state = Arc::new(Mutex::new(state));
        Self { state, events: broadcast::channel(EVENTS_KEPT_MAX).0 }
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
        let Some(run) = self.end(instance) else { return };
        if !self.lock().keep_unheard(instance, run, exit) {
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
        self.lock().history.asked.iter().filter(|asked| asked.server.as_str() == server).cloned().collect()
    }

    /// Every request that reached an instance, in order.
    pub(crate) fn received(&self, method: &str) -> Vec<Received> {
        self.lock().history.received.iter().filter(|received| received.method == method).cloned().collect()
    }

    /// The instances that are there.
    pub(crate) fn running(&self, server: &str) -> Vec<InstanceId> {
        let state = self.lock();
        let of_server = state.runs.iter().filter(|(_, run)| run.server.as_str() == server);
        of_server.map(|(id, _)| id.clone()).collect()
    }

    /// The most instances of a server that were there at once.
    pub(crate) fn peak(&self, server: &str) -> usize {
        self.lock().history.peaks.get(server).copied().unwrap_or_default()
    }

    /// What the sweep was told of.
    pub(crate) fn swept(&self) -> Vec<Known> {
        self.lock().history.swept.clone()
    }

    /// How each server that was stopped ended, in order.
    pub(crate) fn stopped(&self) -> Vec<Exit> {
        self.lock().history.stopped.clone()
    }

    /// What was removed, in order.
    pub(crate) fn removed(&self) -> Vec<InstanceId> {
        self.lock().history.removed.clone()
    }

    /// Every look for what runs already.
    pub(crate) fn adoptions(&self) -> Vec<(InstanceId, Instant)> {
        self.lock().history.adoptions.clone()
    }

    /// Every attachment to what runs already.
    pub(crate) fn reattachments(&self) -> Vec<(InstanceId, Instant)> {
        self.lock().history.reattachments.clone()
    }

    /// How long a list takes from now on; it tells what was there at its beginning.
    pub(crate) fn list_takes(&self, time: Duration) {
        self.lock().list_takes = time;
    }

    async fn stopped_exit(&self, instance: &InstanceId) -> Exit {
        let ended = self.lock().runs.get(instance).map(|run| run.ended.clone()).unwrap_or_default();
        let is_ended = tokio::time::timeout(STDIN_GRACE, ended.cancelled()).await.is_ok();
        if is_ended { Exit::Code(0) } else { Exit::Signal(SIGTERM) }
    }

    fn script_of(&self, server: &ServerName) -> Script {
        self.lock().script(server)
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
        let script = state.script(&request.server);
        let (ended, (attachments, to_come)) = (CancellationToken::new(), mpsc::unbounded_channel());
        let guard = ended.clone().drop_guard();
        let lifetime = if script.place == Place::Process { Lifetime::OfPipe } else { Lifetime::OfContainer };
        let server = server::serve(self.clone(), request.clone(), to_come, lifetime);
        let task = state.tasks.spawn(async move {
            let _guard = guard;
            server.await;
        });
        state.last_number += 1;
        let number = state.last_number;
        let port = (script.place == Place::Port).then_some(PORT);
        let contained = Contained { request: request.clone(), attachments, port };
        let started = match script.place {
            Place::Process => process(number, &contained),
            Place::Container | Place::Port => engine::started(number, &request.instance, &contained),
        };
        let contained = (script.place != Place::Process).then_some(contained);
        let run = Run { number, server: request.server.clone(), task, ended, contained };
        state.runs.insert(request.instance.clone(), run);
        let there = state.runs.values().filter(|run| run.server == request.server).count();
        let peak = state.history.peaks.entry(request.server.clone()).or_default();
        *peak = there.max(*peak);
        Ok(started)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a container listens that does.
const PORT: u16 = 49_152;

/// How long a server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    /// Until its stdin ends.
    OfPipe,
    /// Until it is ended, whoever is attached to it.
    OfContainer,
}

fn process(run: u64, contained: &Contained) -> Started {
    let handle = Handle(format!("run-{run}"));
    Started { run, handle, pid: None, container: None, streams: contained.attach() }
}
