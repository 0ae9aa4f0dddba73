//! A runtime that notes what it is asked, and whose engine goes and comes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use mcpd_core::secret::Redactor;
use mcpd_core::server::Revision;
use tokio::sync::broadcast;

use crate::runtime::{
    Adopted, Adoption, EngineState, Events, Exec, ExecRequest, Exit, Handle, Known, LogLine, LogQuery, Owned,
    Presence, RunNumbers, Runtime, RuntimeError, RuntimeEvent, RuntimeKind, Sight, StartRequest, Started,
    Streams, SweepReport,
};

pub(super) struct Fake {
    kind: RuntimeKind,
    events: Events,
    numbers: RunNumbers,
    sight: Mutex<Sight>,
    refuses: Mutex<bool>,
    is_fading: Mutex<bool>,
    runs: Mutex<BTreeMap<InstanceId, u64>>,
    asked: Mutex<Vec<String>>,
}

impl Fake {
    pub(super) fn new(kind: RuntimeKind, events: &Events, numbers: &RunNumbers) -> Self {
        Self {
            kind,
            events: events.clone(),
            numbers: numbers.clone(),
            sight: Mutex::new(Sight::Seen("Fake 1".to_owned())),
            refuses: Mutex::default(),
            is_fading: Mutex::default(),
            runs: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    pub(super) fn lose(&self) {
        self.set(Sight::Lost("connection refused".to_owned()));
    }

    /// It answers, and starts nothing.
    pub(super) fn refuse(&self) {
        *self.refuses.lock().unwrap() = true;
    }

    /// It is lost in the middle of the next start, and what that began runs.
    pub(super) fn fade(&self) {
        *self.is_fading.lock().unwrap() = true;
    }

    pub(super) fn find(&self) {
        *self.refuses.lock().unwrap() = false;
        self.set(Sight::Seen("Fake 1".to_owned()));
    }

    pub(super) fn set(&self, sight: Sight) {
        *self.sight.lock().unwrap() = sight;
    }

    /// What an earlier mcpd left.
    pub(super) fn hold(&self, instance: &str) {
        self.runs.lock().unwrap().insert(InstanceId::new(instance), 0);
    }

    pub(super) fn exit(&self, instance: &str, exit: Exit) {
        let instance = InstanceId::new(instance);
        let run = self.runs.lock().unwrap().remove(&instance).unwrap();
        let (at, stderr_tail) = (Timestamp::UNIX_EPOCH, String::new());
        self.events.send(RuntimeEvent::Exited { instance, run, exit, at, stderr_tail }).unwrap();
    }

    pub(super) fn take_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn note(&self, what: &str, instance: &InstanceId) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what} {instance}"));
    }

    /// Notes what is asked, and whether there is an answer.
    fn ask(&self, what: &str, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.note(what, instance);
        self.seen()
    }

    fn seen(&self) -> Result<(), RuntimeError> {
        match &*self.sight.lock().unwrap() {
            Sight::Seen(_) => Ok(()),
            Sight::Unneeded => Err(away("nobody is there")),
            Sight::Lost(reason) => Err(away(reason)),
        }
    }

    fn run(&self, instance: &InstanceId) -> Started {
        let run = self.numbers.next();
        self.runs.lock().unwrap().insert(instance.clone(), run);
        let handle = Handle(format!("{}:{run}", self.kind));
        Started { run, handle, pid: None, container: None, streams: streams() }
    }
}

fn away(reason: &str) -> RuntimeError {
    RuntimeError::EngineAway { endpoint: "unix:///fake".to_owned(), reason: reason.to_owned() }
}

fn streams() -> Streams {
    Streams::Other { stdin: Box::new(tokio::io::sink()), stdout: Box::new(tokio::io::empty()) }
}

#[async_trait]
impl Runtime for Fake {
    fn kind(&self) -> RuntimeKind {
        self.kind
    }

    async fn sweep(&self, known: Vec<Known>) -> Result<SweepReport, RuntimeError> {
        let names: Vec<_> = known.iter().map(|known| known.instance.to_string()).collect();
        self.asked.lock().unwrap().push(format!("sweep {}", names.join(" ")));
        Ok(SweepReport::default())
    }

    async fn adopt(&self, instance: &InstanceId) -> Result<Adoption, RuntimeError> {
        if self.kind == RuntimeKind::Process {
            return Ok(Adoption::Nothing);
        }
        self.ask("adopt", instance)?;
        if !self.runs.lock().unwrap().contains_key(instance) {
            return Ok(Adoption::Nothing);
        }
        Ok(Adoption::Running(Box::new(Adopted {
            started: self.run(instance),
            revision: Revision { launch: "l1".to_owned(), secrets: None },
            since: Timestamp::UNIX_EPOCH,
            redactor: Redactor::default(),
        })))
    }

    async fn reach(&self, _: &StartRequest) -> Result<(), RuntimeError> {
        self.seen()
    }

    async fn start(&self, request: StartRequest) -> Result<Started, RuntimeError> {
        self.ask("start", &request.instance)?;
        if std::mem::take(&mut *self.is_fading.lock().unwrap()) {
            self.run(&request.instance);
            self.lose();
            self.seen()?;
        }
        if *self.refuses.lock().unwrap() {
            let (doing, reason) = ("pull image demo:1".to_owned(), "no such image".to_owned());
            return Err(RuntimeError::EngineRefused { doing, reason });
        }
        Ok(self.run(&request.instance))
    }

    async fn reattach(&self, _: &InstanceId, _: u64) -> Result<Option<Streams>, RuntimeError> {
        Ok((self.kind == RuntimeKind::Docker).then(streams))
    }

    async fn stop(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.ask("stop", instance)?;
        self.runs.lock().unwrap().remove(instance);
        Ok(())
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.ask("remove", instance)?;
        self.runs.lock().unwrap().remove(instance);
        Ok(())
    }

    fn forget(&self, instance: &InstanceId) {
        self.note("forget", instance);
    }

    async fn leave(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        self.ask("leave", instance)
    }

    async fn doubt(&self, instance: &InstanceId, _: Timestamp) -> Option<String> {
        if self.kind == RuntimeKind::Process {
            return None;
        }
        self.ask("doubt", instance).err().map(|error| error.to_string())
    }

    fn engines(&self) -> Vec<EngineState> {
        if self.kind == RuntimeKind::Process {
            return Vec::new();
        }
        let (sight, since) = (self.sight.lock().unwrap().clone(), Timestamp::UNIX_EPOCH);
        vec![EngineState { kind: self.kind, sight, since }]
    }

    async fn exec(&self, instance: &InstanceId, _: ExecRequest) -> Result<Exec, RuntimeError> {
        if self.kind == RuntimeKind::Docker {
            self.note("exec", instance);
        }
        Err(RuntimeError::NoExec { instance: instance.clone() })
    }

    async fn list(&self) -> Result<Vec<Owned>, RuntimeError> {
        self.seen()?;
        let owned = |(instance, run): (&InstanceId, &u64)| Owned {
            instance: instance.clone(),
            run: *run,
            presence: Presence::Running,
        };
        Ok(self.runs.lock().unwrap().iter().map(owned).collect())
    }

    fn subscribe(&self) -> broadcast::Receiver<RuntimeEvent> {
        self.events.subscribe()
    }

    async fn logs(&self, instance: &InstanceId, _: LogQuery) -> Result<Vec<LogLine>, RuntimeError> {
        self.note("logs", instance);
        Ok(Vec::new())
    }

    async fn follow_logs(
        &self,
        instance: &InstanceId,
        _: LogQuery,
    ) -> Result<BoxStream<'static, LogLine>, RuntimeError> {
        self.note("follow", instance);
        Ok(stream::empty().boxed())
    }

    fn append_log(&self, instance: &InstanceId, _: &[u8]) {
        self.note("append", instance);
    }
}
