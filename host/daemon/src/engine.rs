//! The working parts of mcpd as the API sees them.

mod owned;
mod parts;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use mcpd_api::manifest::Launch;
use mcpd_api::view::PartView;
use mcpd_core::check::CheckRecord;
use mcpd_core::event::EventDraft;
use mcpd_core::instance::Instance;
use mcpd_core::name::InstanceId;
use mcpd_core::time::between;
use mcpd_mcp::Answer;
use serde_json::value::RawValue;

use crate::checks::{Checks, NotChecked};
use crate::clock::Clock;
use crate::driver::Fleet;
use crate::http::engine::{Containers, Engine, LogError, LogQuery, LogSpan, NotExecuted, NotWritten};
use crate::http::shown;
use crate::metrics::{Census, CensusEntry, Metrics};
use crate::router::{RouteError, Router};
use crate::runtime::auto::Packages;
use crate::runtime::{self, Attempt, Exec, ExecRequest, LogLine, Runtime, Sight};
use crate::secrets::withheld_prefixes;
use crate::state::{Board, Cell, DesiredError, ServerCell};
use crate::store::{ServerRow, Store};

/// The working parts: driver, router, checks, runtime.
pub struct Works {
    /// What is known now.
    pub board: Arc<Board>,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// All servers at work.
    pub fleet: Arc<Fleet>,
    /// Calls of clients.
    pub router: Router,
    /// Checks.
    pub checks: Arc<Checks>,
    /// Runs instances.
    pub runtime: Arc<dyn Runtime>,
    /// The part of it that runs containers, where there is one.
    pub docker: Option<Arc<dyn Runtime>>,
    /// Where packages run.
    pub packages: Packages,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Clock,
    /// What the `env` secret backends serve, withheld from servers (behaviour 3.8).
    pub withheld: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for Works {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Works").finish_non_exhaustive()
    }
}

#[async_trait]
impl Engine for Works {
    fn server_changed(&self, row: &ServerRow) -> Result<(), DesiredError> {
        self.fleet.server_changed(row)
    }

    fn secret_changed(&self, secret: &str) {
        self.fleet.secret_changed(secret);
    }

    async fn backend_changed(&self, backend: &str) {
        match self.store.list_backends().await {
            Ok(rows) => {
                if !rows.iter().any(|row| row.name == backend) {
                    self.metrics.forget_backend(backend);
                }
                *self.withheld.lock().unwrap_or_else(PoisonError::into_inner) = withheld_prefixes(&rows);
            }
            Err(error) => tracing::error!(%error, "secret backends not read"),
        }
        self.fleet.backend_changed(backend).await;
    }

    async fn delete_instance(&self, cell: &Arc<Cell>) -> bool {
        self.fleet.delete_instance(cell).await
    }

    async fn forget_server(&self, server: &ServerCell) -> Result<Vec<InstanceId>, NotWritten> {
        let left = self.may_be_left(&self.board.instances_of(server.name.as_str()));
        if self.fleet.forget_server(&server.name).await { Ok(left) } else { Err(NotWritten) }
    }

    async fn forget_instance(&self, cell: &Arc<Cell>) -> Result<Vec<InstanceId>, NotWritten> {
        let left = self.may_be_left(std::slice::from_ref(cell));
        if self.fleet.forget_instance(cell).await { Ok(left) } else { Err(NotWritten) }
    }

    fn pick(&self, server: &ServerCell) -> Result<InstanceId, RouteError> {
        self.router.pick(server)
    }

    async fn call(
        &self,
        server: &ServerCell,
        instance: Option<&str>,
        method: &str,
        params: Option<&RawValue>,
        timeout: Duration,
    ) -> Result<Answer, RouteError> {
        self.router.call(server, instance, method, params, timeout).await
    }

    async fn check_now(&self, cell: &Arc<Cell>) -> Result<Arc<CheckRecord>, NotChecked> {
        self.checks.check_now(cell).await
    }

    async fn logs(
        &self,
        instance: &InstanceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, String>, LogError> {
        let attempt = if query.span == LogSpan::Previous { Attempt::Previous } else { Attempt::Current };
        let lines = runtime::LogQuery { tail: query.tail, attempt };
        let found = match query.span {
            LogSpan::Follow => self.runtime.follow_logs(instance, lines).await,
            LogSpan::Kept | LogSpan::Previous => {
                self.runtime.logs(instance, lines).await.map(|lines| stream::iter(lines).boxed())
            }
        };
        match found {
            Ok(lines) => Ok(lines.map(|line: LogLine| line.text).boxed()),
            // An instance that was never started has written nothing yet.
            Err(runtime::RuntimeError::UnknownInstance { .. }) => Ok(stream::empty().boxed()),
            Err(error) => Err(LogError { instance: instance.clone(), reason: error.to_string() }),
        }
    }

    async fn exec(&self, cell: &Arc<Cell>, request: ExecRequest) -> Result<Exec, NotExecuted> {
        if cell.read(|instance| instance.running().is_none()) {
            let status = cell.read(Instance::status);
            return Err(NotExecuted::NotRunning { instance: cell.id.clone(), status });
        }
        // Never its arguments: a person may have typed a secret.
        let program = cell.redactor().mask_owned(shown(request.command.first().map_or("", String::as_str)));
        let exec = self.runtime.exec(&cell.id, request).await?;
        self.fleet
            .tell(cell, EventDraft::normal("Exec", format!("A person runs {program} in the container")));
        Ok(exec)
    }

    fn containers(&self) -> Containers {
        Containers { engine: self.sight(), packages: self.packages }
    }

    async fn look_for_containers(&self) -> Containers {
        let engine = match (self.sight(), &self.docker) {
            (Some(Sight::Unneeded), Some(docker)) => Some(asked(&**docker, self.clock.now()).await),
            (sight, _) => sight,
        };
        Containers { engine, packages: self.packages }
    }

    async fn parts(&self) -> Vec<PartView> {
        self.runtimes()
    }

    async fn metrics(&self) -> String {
        let owned = owned::owned_things(&*self.runtime).await;
        // Writing into a text cannot fail.
        self.metrics.encode(&self.census(owned)).unwrap_or_default()
    }
}

impl Works {
    fn sight(&self) -> Option<Sight> {
        self.runtime.engines().into_iter().next().map(|engine| engine.sight)
    }

    /// Those of which something may be left where they are forgotten: what is in containers, while their engine
    /// does not answer.
    fn may_be_left(&self, cells: &[Arc<Cell>]) -> Vec<InstanceId> {
        if !matches!(self.sight(), Some(Sight::Lost(_))) {
            return Vec::new();
        }
        let may_be = |cell: &&Arc<Cell>| cell.is_contained() || self.is_of_image(cell);
        cells.iter().filter(may_be).map(|cell| cell.id.clone()).collect()
    }

    fn is_of_image(&self, cell: &Cell) -> bool {
        let server = self.board.find_server(cell.server.as_str());
        server.is_some_and(|server| matches!(server.desired().manifest.launch, Launch::Image { .. }))
    }

    /// How each runtime is.
    pub fn runtimes(&self) -> Vec<PartView> {
        parts::of_runtimes(&self.runtime.engines(), &self.board.instances())
    }

    fn census(&self, owned_things: Option<usize>) -> Census {
        let servers = self.board.servers();
        let cells = self.board.instances();
        // Who is in ERROR owns nothing, unless it may run still; and who is being stopped still does.
        let owns = |instance: &Instance| instance.next_retry_at().is_none() || instance.left_running;
        let wanted = cells.iter().filter(|cell| cell.read(owns));
        Census {
            wanted_things: wanted.count(),
            owned_things,
            instances: cells.iter().map(|cell| self.entry(cell)).collect(),
            servers: servers.iter().map(|server| server.name.clone()).collect(),
            engines: self.runtime.engines(),
        }
    }

    fn entry(&self, cell: &Cell) -> CensusEntry {
        let now = self.clock.now();
        let verdict_age = cell
            .checks()
            .iter()
            .find(|check| check.verdict.judgement() != mcpd_core::check::Judgement::Inconclusive)
            .map(|check| between(check.at, now));
        cell.read(|instance| CensusEntry {
            server: cell.server.clone(),
            status: instance.status(),
            ready: instance.is_ready(),
            verdict_age,
        })
    }
}

/// How an engine is that nobody has needed yet.
async fn asked(docker: &dyn Runtime, now: Timestamp) -> Sight {
    // Which instance it would be for makes no difference to an engine.
    match docker.doubt(&InstanceId::new(""), now).await {
        Some(reason) => Sight::Lost(reason),
        None => Sight::Unneeded,
    }
}
