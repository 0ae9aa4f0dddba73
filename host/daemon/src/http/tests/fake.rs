//! An engine that notes what it is told and answers from a script.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use mcpd_api::view::{PartState, PartView};
use mcpd_core::check::CheckRecord;
use mcpd_core::instance::Instance;
use mcpd_core::name::InstanceId;
use mcpd_mcp::Answer;
use serde_json::value::RawValue;

use crate::checks::NotChecked;
use crate::http::engine::{Containers, Engine, LogError, LogQuery, LogSpan, NotExecuted, NotWritten};
use crate::router::RouteError;
use crate::runtime::auto::Packages;
use crate::runtime::{Exec, ExecRequest};
use crate::state::{Board, Cell, Defaults, Desired, DesiredError, ServerCell};
use crate::store::ServerRow;

#[derive(Debug)]
pub(super) struct Fake {
    pub(super) board: Arc<Board>,
    /// What it was told and asked, in order.
    pub(super) told: Mutex<Vec<String>>,
    /// What calls get, in order.
    pub(super) answers: Mutex<VecDeque<Result<Answer, RouteError>>>,
    /// What becomes of commands, in order.
    pub(super) runs: Mutex<VecDeque<Result<Exec, NotExecuted>>>,
    /// What a check finds; none where nothing runs.
    pub(super) check: Mutex<Option<CheckRecord>>,
    /// Whether the store takes no deletion of an instance.
    pub(super) forgets_deletions: AtomicBool,
    /// What can be run in containers; nothing unless a test says so.
    pub(super) containers: Mutex<Containers>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            board: Arc::default(),
            told: Mutex::default(),
            answers: Mutex::default(),
            runs: Mutex::default(),
            check: Mutex::default(),
            forgets_deletions: AtomicBool::default(),
            containers: Mutex::new(Containers { engine: None, packages: Packages::ON_HOST }),
        }
    }
}

impl Fake {
    fn note(&self, words: String) {
        self.told.lock().unwrap().push(words);
    }

    /// What is forgotten is written down, unless the store takes no deletion.
    fn take_note(&self) -> Result<(), NotWritten> {
        if self.forgets_deletions.load(Ordering::Relaxed) { Err(NotWritten) } else { Ok(()) }
    }

    pub(super) fn take_told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

#[async_trait]
impl Engine for Fake {
    fn server_changed(&self, row: &ServerRow) -> Result<(), DesiredError> {
        self.note(format!("server {} version {} deleting {}", row.name, row.version, row.deleting));
        self.board.put_server(Desired::from_row(row, &Defaults::default())?);
        Ok(())
    }

    fn secret_changed(&self, secret: &str) {
        self.note(format!("secret {secret}"));
    }

    async fn backend_changed(&self, backend: &str) {
        self.note(format!("backend {backend}"));
    }

    async fn delete_instance(&self, cell: &Arc<Cell>) -> bool {
        self.note(format!("delete instance {}", cell.id));
        !self.forgets_deletions.load(Ordering::Relaxed)
    }

    async fn forget_server(&self, server: &ServerCell) -> Result<Vec<InstanceId>, NotWritten> {
        self.note(format!("forget server {}", server.name));
        self.take_note()?;
        Ok(self.board.instances_of(server.name.as_str()).iter().map(|cell| cell.id.clone()).collect())
    }

    async fn forget_instance(&self, cell: &Arc<Cell>) -> Result<Vec<InstanceId>, NotWritten> {
        self.note(format!("forget instance {}", cell.id));
        self.take_note()?;
        Ok(vec![cell.id.clone()])
    }

    fn containers(&self) -> Containers {
        self.containers.lock().unwrap().clone()
    }

    async fn look_for_containers(&self) -> Containers {
        self.containers()
    }

    fn pick(&self, server: &ServerCell) -> Result<InstanceId, RouteError> {
        Ok(format!("{}-1", server.name).as_str().into())
    }

    async fn call(
        &self,
        server: &ServerCell,
        instance: Option<&str>,
        method: &str,
        params: Option<&RawValue>,
        timeout: Duration,
    ) -> Result<Answer, RouteError> {
        let params = params.map_or("", RawValue::get);
        self.note(format!("call {} {instance:?} {method} {params} within {timeout:?}", server.name));
        let answer = self.answers.lock().unwrap().pop_front();
        answer.expect("the script has an answer for each call")
    }

    async fn check_now(&self, cell: &Arc<Cell>) -> Result<Arc<CheckRecord>, NotChecked> {
        let _gate = cell.check_gate.lock().await;
        let server = self.board.find_server(cell.server.as_str());
        if server.is_some_and(|server| server.desired().check.is_none()) {
            return Err(NotChecked::Disabled { server: cell.server.clone() });
        }
        let status = cell.read(Instance::status);
        let record = self.check.lock().unwrap().clone();
        record.map(Arc::new).ok_or(NotChecked::NotRunning { instance: cell.id.clone(), status })
    }

    async fn logs(&self, _: &InstanceId, query: LogQuery) -> Result<BoxStream<'static, String>, LogError> {
        let lines = ["one", "two", "three"].map(str::to_owned);
        let skipped = lines.len().saturating_sub(query.tail.unwrap_or(lines.len()));
        let kept = stream::iter(lines.into_iter().skip(skipped).collect::<Vec<_>>());
        match query.span {
            LogSpan::Kept => Ok(kept.boxed()),
            LogSpan::Follow => Ok(kept.chain(stream::pending()).boxed()),
            LogSpan::Previous => Ok(stream::iter(["before".to_owned()]).boxed()),
        }
    }

    async fn exec(&self, cell: &Arc<Cell>, request: ExecRequest) -> Result<Exec, NotExecuted> {
        self.note(format!("exec {} {request:?}", cell.id));
        self.runs.lock().unwrap().pop_front().expect("the script has a run for each command")
    }

    async fn parts(&self) -> Vec<PartView> {
        let (name, message) = ("runtime fake".to_owned(), String::new());
        vec![PartView { name, state: PartState::Ok, message, since: None, hint: None }]
    }

    async fn metrics(&self) -> String {
        "mcpd_owned_things 0\n".to_owned()
    }
}
