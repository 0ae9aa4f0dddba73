//! One check of one instance: through its live connection, judged, recorded, folded (behaviour 6.5 to 6.10).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::check::{CheckRecord, FailureKind, Inconclusive, Verdict};
use mcpd_core::conditions::ConditionType;
use mcpd_core::instance::{Instance, Link};
use mcpd_core::time::words;
use mcpd_probe::{Check, CheckReport, Clock, Probe, State};
use tokio::time::Instant;

use super::watch::View;
use super::{Checks, NotChecked};
use crate::metrics::CheckCost;
use crate::state::{Cell, Change, CheckPlan};

/// Who wants a check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    BySchedule,
    ByPerson,
}

impl Checks {
    /// Runs one check; the caller holds the instance's gate.
    pub(super) async fn check(&self, cell: &Arc<Cell>, asked: Asked) -> Result<Arc<CheckRecord>, NotChecked> {
        let Some(run) = cell.run().map(|run| run.number) else {
            return Err(NotChecked::NotRunning {
                instance: cell.id.clone(),
                status: cell.read(Instance::status),
            });
        };
        let plan = self.lock().plan(&cell.server);
        let plan = plan.ok_or_else(|| NotChecked::Disabled { server: cell.server.clone() })?;
        let at = self.clock.now();
        let record = match (self.view(cell, &plan), self.probes.find(&plan.probe)) {
            (Some(view), Some(probe)) => self.probe(at, cell, &plan, probe, &view).await,
            (view, probe) => {
                let record = match (view, probe) {
                    (None, Some(_)) => not_connected(at, &plan, cell),
                    _ => missing_probe(at, &plan),
                };
                self.metrics.checks_of(&cell.server, &plan.probe).done(
                    record.verdict,
                    CheckCost::default(),
                    &[],
                );
                record
            }
        };
        let record = Arc::new(CheckRecord { manual: asked == Asked::ByPerson, ..record });
        self.keep(cell, run, &plan, &record);
        Ok(record)
    }

    /// What the probe is told, built once for each connection.
    fn view(&self, cell: &Cell, plan: &Arc<CheckPlan>) -> Option<View> {
        let connection = cell.connection()?;
        let mut queue = self.lock();
        let Some(watch) = queue.watches.get_mut(&cell.id).filter(|watch| Arc::ptr_eq(&watch.plan, plan))
        else {
            drop(queue);
            return Some(View::new(cell, plan, connection, &self.metrics));
        };
        let view = watch.view.get_or_insert_with(|| View::new(cell, plan, connection, &self.metrics));
        Some(view.clone())
    }

    async fn probe(
        &self,
        at: Timestamp,
        cell: &Cell,
        plan: &CheckPlan,
        probe: &Probe,
        view: &View,
    ) -> CheckRecord {
        let begun = Instant::now();
        let check = Check {
            target: Arc::clone(&view.target),
            calls: Arc::clone(&view.calls),
            grant: Arc::clone(&view.grant),
            state: Arc::new(State::default()),
            timeout: plan.policy.timeout,
            clock: Clock::Real,
        };
        let report = self.probes.host().check(probe, check).await;
        let cost = CheckCost {
            duration: report.duration,
            cpu: report.cpu,
            memory_bytes_max: report.memory_bytes_peak,
        };
        let mut record = record(at, plan, probe, report);
        if record.verdict == Verdict::Failure(FailureKind::Timeout) && view.connection.is_busy_since(begun) {
            record.verdict = Verdict::Inconclusive(Inconclusive::Busy);
            record.message = format!("{}, while a client's call kept the server busy", record.message);
        }
        view.metrics.done(record.verdict, cost, &record.measures);
        record.message = cell.redactor().mask_owned(record.message);
        record
    }

    /// Keeps the result, and folds it where it still speaks of what is there: the same run, the same check.
    fn keep(&self, cell: &Arc<Cell>, run: u64, plan: &Arc<CheckPlan>, record: &Arc<CheckRecord>) {
        cell.push_check(Arc::clone(record));
        let is_current = self.lock().plan(&cell.server).is_some_and(|now| Arc::ptr_eq(&now, plan));
        if is_current && cell.is_run(run) {
            self.fold(cell, plan, record);
        }
        self.ledger.note_check(cell, Arc::clone(record));
        self.board.publish(Change::Instance(cell.id.clone()));
    }

    fn fold(&self, cell: &Arc<Cell>, plan: &CheckPlan, record: &CheckRecord) {
        let now = self.clock.now();
        let before = cell.read(telling);
        let (after, expires_at) = cell.transition(
            now,
            |mut instance| {
                if instance.running().is_none() {
                    return instance;
                }
                let folded = std::mem::take(&mut instance.health).fold(record, &plan.policy, now);
                instance.with_health(folded.health, folded.event, now)
            },
            |instance| (telling(instance), instance.health.expires_at()),
        );
        if let Some(at) = expires_at {
            self.lock().expiries.set_if_absent(&cell.id, self.clock.instant_of(at));
        }
        if before != after {
            self.noted(cell);
        }
    }
}

/// What others act on: while it stays, nobody has to be told.
fn telling(instance: &Instance) -> (bool, bool, Option<mcpd_core::health::HealthStatus>) {
    (instance.is_ready(), instance.conditions.is_true(ConditionType::Functional), instance.health.status())
}

fn record(at: Timestamp, plan: &CheckPlan, probe: &Probe, report: CheckReport) -> CheckRecord {
    CheckRecord {
        at,
        duration: report.duration,
        verdict: report.verdict,
        message: report.message,
        reason: report.reason,
        details: report.details,
        probe: plan.probe.clone(),
        digest: probe.digest().to_owned(),
        logs: report.logs,
        measures: report.measures,
        calls: report.calls,
        manual: false,
        ended_by_host: report.ended_by_host,
    }
}

/// A record of a check that could not reach the probe.
fn unprobed(at: Timestamp, plan: &CheckPlan, verdict: Verdict, message: String) -> CheckRecord {
    CheckRecord {
        at,
        duration: Duration::ZERO,
        verdict,
        message,
        reason: String::new(),
        details: None,
        probe: plan.probe.clone(),
        digest: String::new(),
        logs: Vec::new(),
        measures: Vec::new(),
        calls: Vec::new(),
        manual: false,
        ended_by_host: true,
    }
}

fn missing_probe(at: Timestamp, plan: &CheckPlan) -> CheckRecord {
    let words = format!("no probe {} is loaded", plan.probe);
    unprobed(at, plan, Verdict::Inconclusive(Inconclusive::Missing), words)
}

/// There is no connection to call through (behaviour 6.1, 6.6).
fn not_connected(at: Timestamp, plan: &CheckPlan, cell: &Cell) -> CheckRecord {
    let message = cell.read(|instance| match instance.running().map(|running| &running.link) {
        Some(Link::Broken { error, .. }) => format!("not connected: {error}"),
        _ => format!("not connected within {}: the server has not answered yet", words(plan.policy.startup)),
    });
    unprobed(at, plan, Verdict::Failure(FailureKind::Transport), message)
}
