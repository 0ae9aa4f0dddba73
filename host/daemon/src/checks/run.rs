//! One check of one instance: through its live connection, judged, recorded, folded (behaviour 6.5 to 6.10).

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::check::{CheckRecord, FailureKind, Inconclusive, Verdict};
use mcpd_core::health::HealthStatus;
use mcpd_core::instance::{Instance, Link};
use mcpd_core::secret::{MASK, Redactor};
use mcpd_core::server::CheckPolicy;
use mcpd_core::time::{after, words};
use mcpd_probe::{CheckReport, Probe};
use tokio::time::Instant;

use super::watch::{View, Watch};
use super::{Checks, NotChecked};
use crate::metrics::CheckCost;
use crate::state::{Cell, Change, CheckPlan};

/// Who wants a check.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    BySchedule,
    ByPerson,
}

/// What a check goes by from its beginning to its end.
struct Setting {
    plan: Arc<CheckPlan>,
    run: u64,
    /// None while there is no connection.
    view: Option<Arc<View>>,
}

impl Checks {
    /// Runs one check; the caller holds the instance's gate.
    pub(super) async fn check(&self, cell: &Arc<Cell>, asked: Asked) -> Result<Arc<CheckRecord>, NotChecked> {
        let setting = self.setting(cell)?;
        let plan = &*setting.plan;
        let at = self.clock.now();
        if setting.view.is_none() {
            refuse_starting(cell, &plan.policy, at)?;
        }
        let (record, cost) = match (&setting.view, self.probes.find(&plan.probe)) {
            (_, None) => (missing_probe(at, plan), CheckCost::default()),
            _ if let Some(words) = unseen(cell) => (unreachable(at, plan, words), CheckCost::default()),
            (Some(view), Some(probe)) => self.probe(at, cell, plan, probe, view).await,
            (None, Some(_)) => (not_connected(at, plan, cell), CheckCost::default()),
        };
        let mut record = self.doubted(cell, record).await;
        record.manual = asked == Asked::ByPerson;
        self.count(cell, &setting, &record, cost);
        let record = Arc::new(record);
        self.keep(cell, &setting, &record);
        Ok(record)
    }

    /// What the probe is told is built once for each connection.
    fn setting(&self, cell: &Arc<Cell>) -> Result<Setting, NotChecked> {
        let run = cell.run_number().filter(|_| cell.read(|instance| instance.running().is_some()));
        let run = run.ok_or_else(|| NotChecked::NotRunning {
            instance: cell.id.clone(),
            status: cell.read(Instance::status),
        })?;
        if self.lock().watches.get(&cell.id).is_none_or(|watch| watch.run != run) {
            self.started(cell);
        }
        let connection = cell.connection();
        let mut queue = self.lock();
        let watch = queue.watches.get_mut(&cell.id);
        let watch = watch.ok_or_else(|| NotChecked::Disabled { server: cell.server.clone() })?;
        let plan = Arc::clone(&watch.plan);
        let view = connection.map(|connection| {
            let fresh = || Arc::new(View::new(cell, &plan, connection, &self.metrics));
            Arc::clone(watch.view.get_or_insert_with(fresh))
        });
        Ok(Setting { plan, run, view })
    }

    async fn probe(
        &self,
        at: Timestamp,
        cell: &Cell,
        plan: &CheckPlan,
        probe: &Probe,
        view: &View,
    ) -> (CheckRecord, CheckCost) {
        let begun = Instant::now();
        let state = self.memory.recall(&cell.server, &plan.probe).await;
        let mut report = self.probes.host().check(probe, view.check(plan, state)).await;
        let writes = std::mem::take(&mut report.state_writes);
        let found = concluded((at, begun), plan, probe, view, report);
        self.memory.keep(&cell.server, &plan.probe, writes).await;
        found
    }

    /// A failure says nothing of a server in a container whose engine did not answer at some moment of the check
    /// (behaviour 6.8).
    async fn doubted(&self, cell: &Cell, mut record: CheckRecord) -> CheckRecord {
        let runtime = self.runtime.as_ref().filter(|_| record.is_lost_on_the_way() && cell.is_contained());
        let doubt = match runtime {
            Some(runtime) => runtime.doubt(&cell.id, record.at).await,
            None => None,
        };
        if let Some(words) = doubt {
            record.verdict = Verdict::Inconclusive(Inconclusive::RuntimeUnreachable);
            record.message = format!("{words} ({})", record.message);
        }
        record
    }

    /// A check but for the run of its probe, whose report is given: the daemon's own part of what a check
    /// costs. For benchmarks; nothing else has a use for it.
    #[doc(hidden)]
    pub fn book(&self, cell: &Arc<Cell>, report: CheckReport) -> Result<Arc<CheckRecord>, NotChecked> {
        let setting = self.setting(cell)?;
        let plan = &*setting.plan;
        let moment = (self.clock.now(), Instant::now());
        let (record, cost) = match (&setting.view, self.probes.find(&plan.probe)) {
            (Some(view), Some(probe)) => concluded(moment, plan, probe, view, report),
            _ => (missing_probe(moment.0, plan), CheckCost::default()),
        };
        self.count(cell, &setting, &record, cost);
        let record = Arc::new(record);
        self.keep(cell, &setting, &record);
        Ok(record)
    }

    /// A check that could not reach its probe counts like any other.
    fn count(&self, cell: &Cell, setting: &Setting, record: &CheckRecord, cost: CheckCost) {
        match &setting.view {
            Some(view) => view.metrics.done(record.verdict, cost, &record.measures),
            None => self.metrics.checks_of(&cell.server, &record.probe).done(record.verdict, cost, &[]),
        }
    }

    /// Keeps the result, and folds it where it still speaks of what is there: the same run, the same check.
    fn keep(&self, cell: &Arc<Cell>, setting: &Setting, record: &Arc<CheckRecord>) {
        cell.push_check(Arc::clone(record));
        let is_current = |watch: &Watch| watch.run == setting.run && Arc::ptr_eq(&watch.plan, &setting.plan);
        let is_current = self.lock().watches.get(&cell.id).is_some_and(is_current);
        if is_current {
            self.fold(cell, &setting.plan.policy, record);
        }
        self.ledger.note_check(cell, Arc::clone(record));
        self.board.publish(Change::Instance(cell.id.clone()));
    }

    fn fold(&self, cell: &Arc<Cell>, policy: &CheckPolicy, record: &CheckRecord) {
        let now = self.clock.now();
        let mut before = None;
        let (after, expires_at) = cell.transition(
            now,
            |mut instance| {
                before = Some(telling(&instance, policy));
                if instance.running().is_none() {
                    return instance;
                }
                let folded = std::mem::take(&mut instance.health).fold(record, policy, now);
                instance.with_health(folded.health, folded.event, now)
            },
            |instance| (telling(instance, policy), instance.health.expires_at()),
        );
        if let Some(at) = expires_at {
            self.lock().expiries.set_if_absent(&cell.id, self.clock.instant_of(at));
        }
        if before != Some(after) {
            self.ring(cell);
        }
    }
}

/// What the driver acts on: while it stays, nobody has to look.
fn telling(instance: &Instance, policy: &CheckPolicy) -> (bool, bool, Option<HealthStatus>) {
    let health = &instance.health;
    (instance.is_ready(), health.calls_for_restart(policy.failure_threshold), health.status())
}

/// What the report of a check comes to, with its secrets masked, and what it cost.
fn concluded(
    (at, begun): (Timestamp, Instant),
    plan: &CheckPlan,
    probe: &Probe,
    view: &View,
    report: CheckReport,
) -> (CheckRecord, CheckCost) {
    let cost =
        CheckCost { duration: report.duration, cpu: report.cpu, memory_bytes_max: report.memory_bytes_peak };
    let mut record = record(at, plan, probe, report);
    if record.verdict == Verdict::Failure(FailureKind::Timeout) && view.connection.is_busy_since(begun) {
        record.verdict = Verdict::Inconclusive(Inconclusive::Busy);
        record.message = format!("{}, while a client's call kept the server busy", record.message);
    }
    (masked(record, &view.redactor), cost)
}

/// A second lock, for nothing that a guest is told should hold a secret: no word it hands back does.
fn masked(mut record: CheckRecord, redactor: &Redactor) -> CheckRecord {
    if redactor.is_empty() {
        return record;
    }
    record.message = redactor.mask_owned(record.message);
    record.details = record
        .details
        .map(|details| redactor.mask_json(&details).map_or_else(|| format!("\"{MASK}\""), Cow::into_owned));
    for log in &mut record.logs {
        log.message = redactor.mask_owned(std::mem::take(&mut log.message));
    }
    for failure in record.calls.iter_mut().filter_map(|call| call.failure.as_mut()) {
        failure.message = redactor.mask_owned(std::mem::take(&mut failure.message));
    }
    record
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
fn unprobed(at: Timestamp, probe: &str, verdict: Verdict, message: String) -> CheckRecord {
    CheckRecord {
        at,
        duration: Duration::ZERO,
        verdict,
        message,
        reason: String::new(),
        details: None,
        probe: probe.to_owned(),
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
    unprobed(at, &plan.probe, Verdict::Inconclusive(Inconclusive::Missing), words)
}

fn unseen(cell: &Cell) -> Option<String> {
    cell.read(|instance| instance.sight_lost().map(str::to_owned))
}

/// Nothing that a check could find now would be about the server.
fn unreachable(at: Timestamp, plan: &CheckPlan, words: String) -> CheckRecord {
    unprobed(at, &plan.probe, Verdict::Inconclusive(Inconclusive::RuntimeUnreachable), words)
}

/// Until an instance was first Connected, and for `startupSeconds` at most, no check is due, and none that a
/// person asks for could tell anything.
fn refuse_starting(cell: &Cell, policy: &CheckPolicy, now: Timestamp) -> Result<(), NotChecked> {
    let opening_since = cell.read(|instance| {
        let running = instance.running().filter(|running| running.link == Link::Opening);
        running.map(|running| running.since)
    });
    match opening_since.map(|since| after(since, policy.startup)) {
        Some(until) if now < until => Err(NotChecked::NotConnected { instance: cell.id.clone(), until }),
        _ => Ok(()),
    }
}

/// There is no connection to call through (behaviour 6.1, 6.6).
fn not_connected(at: Timestamp, plan: &CheckPlan, cell: &Cell) -> CheckRecord {
    let message = cell.read(|instance| match instance.running().map(|running| &running.link) {
        Some(Link::Broken { error, .. }) => format!("not connected: {error}"),
        _ => format!("not connected within {}: the server has not answered yet", words(plan.policy.startup)),
    });
    unprobed(at, &plan.probe, Verdict::Failure(FailureKind::Transport), message)
}

#[cfg(test)]
mod tests {
    use mcpd_core::check::{CallFailure, CallRecord, LogLevel, LogLine};
    use mcpd_core::secret::SecretValue;

    use super::*;

    #[test]
    fn no_word_of_a_record_holds_a_secret() {
        let redactor = Redactor::new([&SecretValue::new("s3cr&t<v>alue9".to_owned())]);
        let escaped = r"s3cr\u0026t\u003cv\u003ealue9";
        let failure = CallFailure { kind: FailureKind::Tool, message: escaped.to_owned() };
        let call = CallRecord {
            method: "tools/call".to_owned(),
            tool: None,
            duration: Duration::ZERO,
            failure: Some(failure),
            deferred: false,
        };
        let empty = unprobed(Timestamp::UNIX_EPOCH, "echo", Verdict::Pass, escaped.to_owned());
        let record = masked(
            CheckRecord {
                details: Some(format!(r#"{{"{escaped}":["{escaped}",1.0]}}"#)),
                logs: vec![LogLine { level: LogLevel::Info, message: escaped.to_owned() }],
                calls: vec![call],
                ..empty
            },
            &redactor,
        );
        assert_eq!(record.message, MASK);
        assert_eq!(record.details.unwrap(), r#"{"•••":["•••",1.0]}"#);
        assert_eq!(record.logs[0].message, MASK);
        assert_eq!(record.calls[0].failure.as_ref().unwrap().message, MASK);
    }
}
