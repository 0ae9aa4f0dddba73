//! What is kept for an instance between its checks, so that a check has nothing to build.

use std::borrow::Cow;
use std::sync::Arc;

use mcpd_core::secret::Redactor;
use mcpd_mcp::Connection;
use mcpd_probe::{Calls, Check, Clock, Grant, State, Target};
use tokio::time::Instant;

use super::Patience;
use super::calls::LiveCalls;
use crate::metrics::{CheckMetrics, Metrics};
use crate::state::{Cell, CheckPlan};

/// An instance that is checked.
#[derive(Debug)]
pub(super) struct Watch {
    /// How it is checked.
    pub(super) plan: Arc<CheckPlan>,
    /// The start it is about.
    pub(super) run: u64,
    /// Its due times after the first are `base + n × interval`.
    pub(super) base: Instant,
    /// What its probe is told, built with the first check through a connection.
    pub(super) view: Option<Arc<View>>,
    first: Patience,
}

/// What a probe sees of a connected instance.
pub(super) struct View {
    pub(super) connection: Connection,
    target: Arc<Target>,
    grant: Arc<Grant>,
    calls: Arc<dyn Calls>,
    pub(super) redactor: Redactor,
    pub(super) metrics: CheckMetrics,
}

impl Watch {
    pub(super) fn new(plan: Arc<CheckPlan>, run: u64, base: Instant) -> Self {
        Self { plan, run, base, view: None, first: Patience::First }
    }

    /// Only the first check waits for its turn.
    pub(super) fn take_patience(&mut self) -> Patience {
        std::mem::replace(&mut self.first, Patience::None)
    }
}

impl View {
    pub(super) fn new(cell: &Cell, plan: &CheckPlan, connection: Connection, metrics: &Metrics) -> Self {
        let redactor = cell.redactor();
        let target = Target {
            server: cell.server.to_string(),
            instance: cell.id.to_string(),
            transport: connection.transport().to_owned(),
            protocol_version: Some(connection.protocol_version().to_owned()),
            server_info: redactor.mask_json(connection.server_info()).map(Cow::into_owned),
            info: "{}".to_owned(),
            config: plan.config.clone(),
            tool: plan.tool.clone(),
            arguments: plan.arguments.clone(),
        };
        let tools = plan.allowed_tools.iter().cloned();
        let methods = plan.allowed_methods.iter().cloned();
        Self {
            target: Arc::new(target),
            grant: Arc::new(Grant::new(plan.tool.as_deref(), tools, methods)),
            calls: Arc::new(LiveCalls::new(connection.clone(), redactor.clone())),
            redactor,
            metrics: metrics.checks_of(&cell.server, &plan.probe),
            connection,
        }
    }

    /// One check by that plan, with what its probe remembers.
    pub(super) fn check(&self, plan: &CheckPlan, state: Arc<State>) -> Check {
        Check {
            target: Arc::clone(&self.target),
            calls: Arc::clone(&self.calls),
            grant: Arc::clone(&self.grant),
            state,
            timeout: plan.policy.timeout,
            clock: Clock::Real,
        }
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("connection", &self.connection).finish_non_exhaustive()
    }
}
