//! The engine of a real daemon: its parts as `app` put them together.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use mcpd_api::view::{PartState, PartView};
use mcpd_core::check::{CheckRecord, Judgement};
use mcpd_core::instance::Phase;
use mcpd_core::name::InstanceId;
use mcpd_core::time::between;
use mcpd_mcp::Answer;
use serde_json::value::RawValue;

use super::engine::{Engine, LogError, LogQuery, LogSpan};
use crate::app::App;
use crate::checks::NotChecked;
use crate::metrics::{Census, CensusEntry};
use crate::router::RouteError;
use crate::runtime::{self, Attempt, RuntimeError};
use crate::state::{Cell, DesiredError, ServerCell};
use crate::store::ServerRow;

/// The parts of the daemon.
pub(super) struct Works(pub(super) Arc<App>);

impl std::fmt::Debug for Works {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Works")
    }
}

#[async_trait]
impl Engine for Works {
    fn server_changed(&self, row: &ServerRow) -> Result<(), DesiredError> {
        self.0.fleet.server_changed(row)
    }

    fn secret_changed(&self, secret: &str) {
        self.0.fleet.secret_changed(secret);
    }

    async fn backend_changed(&self, backend: &str) {
        self.0.backends_changed().await;
        self.0.fleet.backend_changed(backend);
    }

    fn delete_instance(&self, cell: &Arc<Cell>) {
        self.0.fleet.delete_instance(cell);
    }

    async fn call(
        &self,
        server: &ServerCell,
        instance: Option<&str>,
        method: &str,
        params: Option<&RawValue>,
        timeout: Duration,
    ) -> Result<Answer, RouteError> {
        self.0.router.call(server, instance, method, params, timeout).await
    }

    async fn check_now(&self, cell: &Arc<Cell>) -> Result<Arc<CheckRecord>, NotChecked> {
        self.0.checks.check_now(cell).await
    }

    async fn logs(
        &self,
        instance: &InstanceId,
        query: LogQuery,
    ) -> Result<BoxStream<'static, String>, LogError> {
        let attempt = if query.span == LogSpan::Previous { Attempt::Previous } else { Attempt::Current };
        let wanted = runtime::LogQuery { tail: query.tail, attempt };
        let lines = match query.span {
            LogSpan::Follow => self.0.runtime.follow_logs(instance, wanted).await,
            LogSpan::Kept | LogSpan::Previous => {
                self.0.runtime.logs(instance, wanted).await.map(|lines| stream::iter(lines).boxed())
            }
        };
        match lines {
            Ok(lines) => Ok(lines.map(|line| line.text).boxed()),
            // An instance that was never started has written nothing.
            Err(RuntimeError::UnknownInstance { .. }) => Ok(stream::empty().boxed()),
            Err(error) => Err(LogError { instance: instance.clone(), reason: error.to_string() }),
        }
    }

    async fn parts(&self) -> Vec<PartView> {
        let trouble = self.0.runtime.list().await.err().map(|error| error.to_string());
        vec![PartView {
            name: format!("runtime {}", self.0.runtime.kind()),
            state: if trouble.is_some() { PartState::Failing } else { PartState::Ok },
            message: trouble.unwrap_or_default(),
        }]
    }

    async fn metrics(&self) -> String {
        let instances = self.0.board.instances();
        let is_running =
            |cell: &&Arc<Cell>| cell.read(|instance| matches!(instance.phase, Phase::Running(_)));
        let wanted_things = instances.iter().filter(is_running).count();
        let owned = self.0.runtime.list().await.map(|owned| owned.len());
        let census = Census {
            servers: self.0.board.servers().iter().map(|server| server.name.clone()).collect(),
            instances: instances.iter().map(|cell| self.entry(cell)).collect(),
            // A runtime that does not answer says so in `parts`; here nothing is made up.
            owned_things: owned.unwrap_or(wanted_things),
            wanted_things,
        };
        self.0.metrics.encode(&census).unwrap_or_default()
    }
}

impl Works {
    fn entry(&self, cell: &Cell) -> CensusEntry {
        let checks = cell.checks();
        let conclusive = checks.iter().find(|check| check.verdict.judgement() != Judgement::Inconclusive);
        let now = self.0.clock.now();
        let (status, ready) = cell.read(|instance| (instance.status(), instance.is_ready()));
        CensusEntry {
            server: cell.server.clone(),
            status,
            ready,
            verdict_age: conclusive.map(|check| between(check.at, now)),
        }
    }
}
