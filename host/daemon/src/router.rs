//! Calls of clients: to the live connection of a Ready replica, the very one that is checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcpd_core::check::FailureKind;
use mcpd_core::instance::Instance;
use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::why::why;
use mcpd_mcp::{Answer, CallError, Caller, Connection};
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::state::{Board, Cell, ServerCell};

/// The way from a client's call to an instance.
#[derive(Debug)]
pub struct Router {
    board: Arc<Board>,
    metrics: Arc<Metrics>,
    clock: Clock,
    turn: AtomicUsize,
}

/// Why a call got no answer.
#[derive(Debug, Error)]
pub enum RouteError {
    /// No replica is Ready.
    #[error("no replica of server {server} is ready: {why}")]
    NoneReady {
        /// The server.
        server: ServerName,
        /// The words of why.
        why: String,
    },
    /// The server has no such instance.
    #[error("server {server} has no instance {instance}")]
    UnknownInstance {
        /// The server.
        server: ServerName,
        /// What was asked for.
        instance: String,
    },
    /// The instance named has no connection now.
    #[error("instance {instance} of server {server} is {status} and not connected")]
    NotConnected {
        /// The server.
        server: ServerName,
        /// The instance.
        instance: InstanceId,
        /// Its status.
        status: &'static str,
    },
    /// Whether the instance named runs is not known now.
    #[error("whether instance {instance} of server {server} runs nobody knows now: {reason}")]
    NotKnown {
        /// The server.
        server: ServerName,
        /// The instance.
        instance: InstanceId,
        /// Why, in the words of its runtime.
        reason: String,
    },
    /// The call was made, or tried, and has no answer.
    #[error("call of instance {instance} of server {server} failed")]
    Call {
        /// The server.
        server: ServerName,
        /// The instance.
        instance: InstanceId,
        /// Why.
        source: CallError,
    },
}

impl Router {
    /// A router over what is on the board.
    pub fn new(board: Arc<Board>, metrics: Arc<Metrics>, clock: Clock) -> Self {
        Self { board, metrics, clock, turn: AtomicUsize::new(0) }
    }

    /// Makes a call through a Ready replica, or through the instance named, Ready or not. It is sent once.
    pub async fn call(
        &self,
        server: &ServerCell,
        instance: Option<&str>,
        method: &str,
        params: Option<&RawValue>,
        timeout: Duration,
    ) -> Result<Answer, RouteError> {
        let (cell, connection) = match instance {
            Some(id) => self.named(server, id)?,
            None => self.ready(server)?,
        };
        let begun = Instant::now();
        let answer = connection.request(Caller::Client, method, params, timeout).await;
        self.metrics.call(&server.name, method, outcome(&answer), begun.elapsed());
        answer.map_err(|source| RouteError::Call {
            server: server.name.clone(),
            instance: cell.id.clone(),
            source,
        })
    }

    /// The replica whose turn it is, for calls that belong together.
    ///
    /// # Errors
    /// When none is Ready.
    pub fn pick(&self, server: &ServerCell) -> Result<InstanceId, RouteError> {
        self.ready(server).map(|(cell, _)| cell.id.clone())
    }

    fn named(&self, server: &ServerCell, id: &str) -> Result<(Arc<Cell>, Connection), RouteError> {
        let found = self.board.find_instance(id).filter(|cell| cell.server == server.name);
        let Some(cell) = found else {
            return Err(RouteError::UnknownInstance { server: server.name.clone(), instance: id.to_owned() });
        };
        // An attachment that hangs would keep the caller waiting for its whole deadline.
        if let Some(reason) = cell.read(|instance| instance.sight_lost().map(str::to_owned)) {
            let (server, instance) = (server.name.clone(), cell.id.clone());
            return Err(RouteError::NotKnown { server, instance, reason });
        }
        match cell.connection() {
            Some(connection) => Ok((cell, connection)),
            None => Err(RouteError::NotConnected {
                server: server.name.clone(),
                instance: cell.id.clone(),
                status: cell.read(Instance::status),
            }),
        }
    }

    /// One Ready replica after the other. Where checks are disabled nothing can be Ready, and who disabled
    /// them wants to use the server all the same: then being connected is enough, as long as its engine answers.
    fn ready(&self, server: &ServerCell) -> Result<(Arc<Cell>, Connection), RouteError> {
        let is_checked = server.desired().check.is_some();
        let cells = self.board.instances_of(server.name.as_str());
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        for offset in 0..cells.len() {
            let cell = &cells[(start + offset) % cells.len()];
            let may_serve = |i: &Instance| i.sight_lost().is_none() && (!is_checked || i.is_ready());
            if !cell.read(may_serve) {
                continue;
            }
            if let Some(connection) = cell.connection() {
                return Ok((Arc::clone(cell), connection));
            }
        }
        Err(RouteError::NoneReady { server: server.name.clone(), why: self.why(server, &cells) })
    }

    fn why(&self, server: &ServerCell, cells: &[Arc<Cell>]) -> String {
        let instances: Vec<_> = cells.iter().map(|cell| cell.snapshot()).collect();
        let wanted = server.desired().to_core(server.secrets());
        why(self.clock.now(), &wanted, &instances, &server.plan()).sentence
    }
}

fn outcome(answer: &Result<Answer, CallError>) -> Result<(), FailureKind> {
    match answer {
        Ok(Answer::Result(_)) => Ok(()),
        Ok(Answer::Error(_)) => Err(FailureKind::Rpc),
        Err(error) => Err(error.kind()),
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
