//! Instances and checks for the tests of views: made by the transitions that the driver uses.

use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::backoff::{Chance, Schedule};
use mcpd_core::check::{CallFailure, CallRecord, CheckRecord, FailureKind, Verdict};
use mcpd_core::instance::{Instance, Moment};
use mcpd_core::name::InstanceId;
use mcpd_core::server::{CheckPolicy, Revision};

fn moment(schedule: &Schedule) -> Moment<'_> {
    Moment { now: Timestamp::UNIX_EPOCH, schedule, chance: Chance::from_bits(0) }
}

pub(crate) fn starting(id: &str) -> Instance {
    Instance::new(InstanceId::new(id), "demo".into(), Revision::default(), Timestamp::UNIX_EPOCH)
}

pub(crate) fn failed(id: &str, error: &str) -> Instance {
    starting(id).start_failed(error.to_owned(), moment(&Schedule::default()))
}

pub(crate) fn running(id: &str) -> Instance {
    let now = Timestamp::UNIX_EPOCH;
    starting(id).secrets_resolved(now).started(now).connected("2025-11-25".to_owned(), now)
}

/// Ready by a check that proves nothing.
pub(crate) fn ready(id: &str) -> Instance {
    let now = Timestamp::UNIX_EPOCH;
    let instance = running(id);
    let record = CheckRecord { calls: Vec::new(), ..check(Verdict::Pass, "ok") };
    let folded = instance.health.clone().fold(&record, &CheckPolicy::default(), now);
    instance.with_health(folded.health, folded.event, now)
}

pub(crate) fn check(verdict: Verdict, message: &str) -> CheckRecord {
    let failure = match verdict {
        Verdict::Failure(kind) => Some(CallFailure { kind, message: message.to_owned() }),
        _ => None,
    };
    CheckRecord {
        at: Timestamp::UNIX_EPOCH,
        duration: Duration::from_micros(1500),
        verdict,
        message: message.to_owned(),
        reason: String::new(),
        details: None,
        probe: "tool-call".to_owned(),
        digest: String::new(),
        logs: Vec::new(),
        measures: Vec::new(),
        calls: vec![CallRecord {
            method: "tools/call".to_owned(),
            tool: Some("whoami".to_owned()),
            duration: Duration::from_millis(1),
            failure: failure.filter(|failure| failure.kind != FailureKind::Verdict),
            deferred: false,
        }],
        manual: false,
        ended_by_host: false,
    }
}
