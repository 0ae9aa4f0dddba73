//! What the tests of this crate are told with: points in time, checks, instances by the life they led, and a
//! fleet that shows the plan `decide` makes of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;

use crate::backoff::{Chance, Schedule};
use crate::check::{CallRecord, CheckRecord, FailureKind, Verdict};
use crate::decide::{Action, COUNT_RESET_AFTER, Plan, Rollout, Snapshot, decide};
use crate::env::{EnvError, LookupFailure, MissingVariable, SecretFailure, SecretRef};
use crate::instance::{AfterStop, Exit, Instance, Moment};
use crate::name::InstanceId;
use crate::server::{CheckPolicy, OnUnhealthy, Revision, Server, Strategy, Wish};
use crate::time::{after, between, words};

static SCHEDULE: LazyLock<Schedule> = LazyLock::new(Schedule::default);

/// A point in time, in seconds since the test began.
pub(crate) fn at(seconds: u64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds))
}

/// A moment without jitter, on the default schedule.
pub(crate) fn moment(now: Timestamp) -> Moment<'static> {
    Moment { now, schedule: &SCHEDULE, chance: Chance::ZERO }
}

/// A revision by one word; its secrets are known.
pub(crate) fn revision(launch: &str) -> Revision {
    Revision { launch: launch.to_owned(), secrets: Some("s1".to_owned()) }
}

/// A server `demo` of so many replicas, with the defaults of a manifest.
pub(crate) fn server(replicas: usize) -> Server {
    Server {
        name: "demo".into(),
        wish: Wish::Keep,
        replicas,
        revision: revision("v1"),
        strategy: Strategy::Rolling,
        progress_deadline: Duration::from_mins(10),
        on_unhealthy: OnUnhealthy::None,
        checks: Some(CheckPolicy::default()),
    }
}

/// What a check that called one tool leaves.
pub(crate) fn check(verdict: Verdict, message: &str) -> CheckRecord {
    CheckRecord {
        at: at(0),
        duration: Duration::from_millis(3),
        verdict,
        message: message.to_owned(),
        reason: String::new(),
        details: None,
        probe: "tool-call".to_owned(),
        digest: String::new(),
        logs: Vec::new(),
        measures: Vec::new(),
        calls: vec![call("tools/call")],
        manual: false,
        ended_by_host: verdict.failure_kind().is_some_and(FailureKind::is_mendable),
    }
}

/// A successful call of that method.
pub(crate) fn call(method: &str) -> CallRecord {
    CallRecord {
        method: method.to_owned(),
        tool: None,
        duration: Duration::from_millis(1),
        failure: None,
        deferred: false,
    }
}

/// The env of an attempt, of which one secret is not there.
pub(crate) fn missing_secret() -> EnvError {
    EnvError(vec![MissingVariable {
        variable: "TOKEN".to_owned(),
        reference: SecretRef { name: "demo-token".to_owned(), key: "token".to_owned(), allow_empty: false },
        cause: LookupFailure { backend: "sealed".to_owned(), failure: SecretFailure::NotFound },
    }])
}

/// An instance called `a` of revision `v1`, made at 0 s.
pub(crate) fn fresh() -> Instance {
    Instance::new("a".into(), "demo".into(), revision("v1"), at(0))
}

/// RUNNING since it was made, its connection not open yet.
pub(crate) fn running(instance: Instance) -> Instance {
    let (now, revision) = (instance.created_at, instance.revision.clone());
    instance.begin_attempt(revision, now).secrets_resolved(now).started(now)
}

/// RUNNING and Connected since it was made, not checked yet.
pub(crate) fn connected(instance: Instance) -> Instance {
    let now = instance.created_at;
    running(instance).connected("2025-11-25".to_owned(), now)
}

/// Checked once, with that outcome.
pub(crate) fn checked(instance: Instance, record: &CheckRecord, now: Timestamp) -> Instance {
    let folded = instance.health.clone().fold(record, &CheckPolicy::default(), now);
    instance.with_health(folded.health, folded.event, now)
}

/// Ready since it was made.
pub(crate) fn ready(instance: Instance) -> Instance {
    let now = instance.created_at;
    checked(connected(instance), &check(Verdict::Pass, "ok"), now)
}

/// RUNNING, Connected and unhealthy: so many checks in a row timed out.
pub(crate) fn timed_out(times: u32) -> impl Fn(Instance) -> Instance {
    move |instance| {
        let mut record = check(Verdict::Failure(FailureKind::Timeout), "timed out after 10s");
        record.calls.clear();
        let now = instance.created_at;
        (0..times).fold(connected(instance), |instance, _| checked(instance, &record, now))
    }
}

/// In ERROR: so many attempts failed, all of them when it was made.
pub(crate) fn failed(times: u32) -> impl Fn(Instance) -> Instance {
    move |instance| {
        let now = instance.created_at;
        (0..times)
            .fold(instance, |instance, _| instance.start_failed("no such file: demo".to_owned(), moment(now)))
    }
}

/// In ERROR: it ended by itself after it had been Ready.
pub(crate) fn exited(instance: Instance) -> Instance {
    let now = instance.created_at;
    ready(instance).exited(Exit::Code(1), "", moment(now))
}

/// On its way out for good.
pub(crate) fn leaving(instance: Instance) -> Instance {
    let now = instance.created_at;
    ready(instance).stopping(AfterStop::Remove, "deleted", now)
}

/// A server with its instances; each instance is made one second after the one before it.
pub(crate) struct Fleet {
    pub(crate) server: Server,
    pub(crate) instances: Vec<Instance>,
    in_flight: BTreeSet<InstanceId>,
    now: Timestamp,
}

impl Fleet {
    /// No instance yet.
    pub(crate) fn of(replicas: usize) -> Self {
        Self { server: server(replicas), instances: Vec::new(), in_flight: BTreeSet::new(), now: at(10) }
    }

    /// An instance of the revision wanted so far, after the life it led.
    pub(crate) fn with(mut self, id: &str, life: impl FnOnce(Instance) -> Instance) -> Self {
        let made = at(u64::try_from(self.instances.len()).unwrap());
        let fresh = Instance::new(id.into(), self.server.name.clone(), self.server.revision.clone(), made);
        self.instances.push(life(fresh));
        self
    }

    /// The desired state changes.
    pub(crate) fn change(mut self, change: impl FnOnce(&mut Server)) -> Self {
        change(&mut self.server);
        self
    }

    /// The launch fields change.
    pub(crate) fn launch(self, launch: &str) -> Self {
        self.change(|server| launch.clone_into(&mut server.revision.launch))
    }

    /// An attempt or a stop of it is under way.
    pub(crate) fn in_flight(mut self, id: &str) -> Self {
        self.in_flight.insert(id.into());
        self
    }

    /// The time of the pass; 10 s unless told.
    pub(crate) fn now(mut self, seconds: u64) -> Self {
        self.now = at(seconds);
        self
    }

    /// What `decide` says.
    pub(crate) fn decide(&self) -> Plan {
        decide(&Snapshot {
            now: self.now,
            server: &self.server,
            instances: &self.instances,
            in_flight: &self.in_flight,
            count_reset_after: COUNT_RESET_AFTER,
        })
    }

    /// The plan as people would tell it: a line for each step, then what else it says.
    pub(crate) fn plan(&self) -> String {
        told(&self.decide(), self.now)
    }
}

fn told(plan: &Plan, now: Timestamp) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        writeln!(text, "{}: {}", action(&step.action), step.why).unwrap();
    }
    match &plan.rollout {
        Rollout::Complete => {}
        Rollout::Progressing { updated, outdated } => {
            writeln!(text, "rollout: {updated} new, {outdated} old").unwrap();
        }
        Rollout::Stuck { instance, .. } => writeln!(text, "rollout: stuck at {instance}").unwrap(),
    }
    match plan.look_again_at {
        Some(next) => writeln!(text, "look again in {}", words(between(now, next))).unwrap(),
        None if plan.steps.is_empty() => text.push_str("nothing to do"),
        None => {}
    }
    text
}

fn action(action: &Action) -> String {
    match action {
        Action::Create => "create".to_owned(),
        Action::Attempt(id) => format!("attempt {id}"),
        Action::Refresh(id) => format!("refresh {id}"),
        Action::Cancel(id) => format!("cancel {id}"),
        Action::Stop(id, AfterStop::Remove) => format!("stop and remove {id}"),
        Action::Stop(id, AfterStop::Again(words)) => format!("stop {id}, to start it again ({words})"),
        Action::Stop(id, AfterStop::Fail(error)) => format!("stop {id}, as failed ({})", error.message),
        Action::ResetCount(id) => format!("reset the count of {id}"),
        Action::Forget => "forget the server".to_owned(),
    }
}
