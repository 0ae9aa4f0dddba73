//! The rules of behaviour.md about folding verdicts, one by one.

use std::time::Duration;

use insta::assert_snapshot;
use jiff::Timestamp;

use super::{Folded, Health, HealthStatus, Proof};
use crate::check::{CallFailure, CheckRecord, FailureKind, Inconclusive, Judgement, Verdict};
use crate::fixture::{at, call, check};
use crate::server::CheckPolicy;

pub(super) const PASS: Verdict = Verdict::Pass;
pub(super) const WARN: Verdict = Verdict::Warn;
pub(super) const FAIL: Verdict = Verdict::Failure(FailureKind::Tool);
pub(super) const SLOW: Verdict = Verdict::Failure(FailureKind::Timeout);
pub(super) const TRAP: Verdict = Verdict::Inconclusive(Inconclusive::Trap);
pub(super) const BUSY: Verdict = Verdict::Inconclusive(Inconclusive::Busy);

pub(super) fn policy(failure_threshold: u32, success_threshold: u32) -> CheckPolicy {
    CheckPolicy { failure_threshold, success_threshold, ..CheckPolicy::default() }
}

pub(super) fn fold(health: Health, verdict: Verdict, policy: CheckPolicy, now: Timestamp) -> Folded {
    let mut record = check(verdict, "what it found");
    if let Verdict::Failure(kind) = verdict {
        record.calls[0].failure = Some(CallFailure { kind, message: record.message.clone() });
    }
    health.fold(&record, &policy, now)
}

/// Health after these checks, one a second.
pub(super) fn after(verdicts: &[Verdict], policy: CheckPolicy) -> Health {
    (0..).zip(verdicts).fold(Health::default(), |health, (second, verdict)| {
        fold(health, *verdict, policy, at(second)).health
    })
}

/// A word for each check: the health it led to, `+` where that allows Ready, and the event it wrote.
fn told(verdicts: &[Verdict], policy: CheckPolicy) -> String {
    let mut health = Health::default();
    let mut lines = Vec::new();
    for verdict in verdicts {
        let folded = fold(health, *verdict, policy, at(0));
        health = folded.health;
        let ready = if health.allows_ready() { "+" } else { "" };
        let event = folded.event.map(|event| event.reason).unwrap_or_default();
        let status = health.status().map(HealthStatus::as_str).unwrap_or_default();
        lines.push(format!("{}: {status}{ready} {event}", verdict.as_str()).trim_end().to_owned());
    }
    lines.join("\n")
}

#[test]
fn rule_2_3_health_is_not_known_before_the_first_check() {
    assert_eq!(Health::default().status(), None);
    assert_eq!(Health::default().left_running("gone").status(), None);
}

#[test]
fn rule_2_3_an_instance_that_left_running_is_unknown_and_starts_without_counts() {
    let health = after(&[PASS, FAIL, FAIL], policy(3, 1)).left_running("it exited");
    assert_eq!((health.status(), health.reason()), (Some(HealthStatus::Unknown), "NotRunning"));
    assert_eq!(fold(health, FAIL, policy(3, 1), at(9)).health.status(), Some(HealthStatus::Degraded));
}

#[test]
fn rule_2_6_an_event_for_each_failure_and_for_each_change_back_to_healthy_only() {
    assert_snapshot!(told(&[PASS, PASS, FAIL, FAIL, PASS, PASS, TRAP, PASS], policy(3, 1)), @"
    pass: healthy+ HealthCheckPassed
    pass: healthy+
    failure: degraded+ HealthCheckFailed
    failure: degraded+ HealthCheckFailed
    pass: healthy+ HealthCheckPassed
    pass: healthy+
    inconclusive: healthy+ HealthCheckInconclusive
    pass: healthy+
    ");
}

#[test]
fn rule_2_6_the_events_say_what_the_check_said() {
    let health = after(&[PASS], policy(3, 1));
    let event = fold(health.clone(), FAIL, policy(3, 1), at(1)).event.unwrap();
    assert_eq!(event.message, "Health check failed: what it found");
    let event = fold(health, TRAP, policy(3, 1), at(1)).event.unwrap();
    assert_eq!(event.message, "Health check inconclusive: what it found");
}

#[test]
fn rule_6_7_below_the_threshold_degraded_and_still_ready_at_it_unhealthy() {
    assert_snapshot!(told(&[PASS, FAIL, FAIL, FAIL, FAIL], policy(3, 1)), @"
    pass: healthy+ HealthCheckPassed
    failure: degraded+ HealthCheckFailed
    failure: degraded+ HealthCheckFailed
    failure: unhealthy HealthCheckFailed
    failure: unhealthy HealthCheckFailed
    ");
}

#[test]
fn rule_6_7_degraded_by_a_failure_alone_is_never_ready() {
    assert_snapshot!(told(&[FAIL, TRAP, FAIL], policy(5, 1)), @"
    failure: degraded HealthCheckFailed
    inconclusive: degraded HealthCheckInconclusive
    failure: degraded HealthCheckFailed
    ");
}

#[test]
fn rule_6_7_a_pass_sets_the_count_back() {
    assert_snapshot!(told(&[PASS, FAIL, FAIL, PASS, FAIL, FAIL, FAIL], policy(3, 1)), @"
    pass: healthy+ HealthCheckPassed
    failure: degraded+ HealthCheckFailed
    failure: degraded+ HealthCheckFailed
    pass: healthy+ HealthCheckPassed
    failure: degraded+ HealthCheckFailed
    failure: degraded+ HealthCheckFailed
    failure: unhealthy HealthCheckFailed
    ");
}

#[test]
fn rule_6_7_from_unhealthy_it_takes_the_passes_asked_for_in_a_row() {
    assert_snapshot!(told(&[PASS, FAIL, PASS, FAIL, PASS, PASS], policy(1, 2)), @"
    pass: unknown
    failure: unhealthy HealthCheckFailed
    pass: unhealthy
    failure: unhealthy HealthCheckFailed
    pass: unhealthy
    pass: healthy+ HealthCheckPassed
    ");
}

#[test]
fn rule_6_7_from_unknown_it_takes_the_passes_asked_for_too() {
    assert_snapshot!(told(&[PASS, PASS, TRAP, PASS, PASS, FAIL], policy(1, 2)), @"
    pass: unknown
    pass: healthy+ HealthCheckPassed
    inconclusive: unknown HealthCheckInconclusive
    pass: unknown
    pass: healthy+ HealthCheckPassed
    failure: unhealthy HealthCheckFailed
    ");
}

#[test]
fn rule_6_7_from_degraded_one_pass_is_enough() {
    assert_snapshot!(told(&[PASS, PASS, FAIL, PASS], policy(3, 2)), @"
    pass: unknown
    pass: healthy+ HealthCheckPassed
    failure: degraded+ HealthCheckFailed
    pass: healthy+ HealthCheckPassed
    ");
}

#[test]
fn rule_6_7_a_warn_is_degraded_and_ready_and_sets_the_count_back() {
    assert_snapshot!(told(&[WARN, FAIL, FAIL, WARN, FAIL, FAIL, FAIL, WARN, PASS], policy(3, 1)), @"
    warn: degraded+
    failure: degraded+ HealthCheckFailed
    failure: degraded+ HealthCheckFailed
    warn: degraded+
    failure: degraded+ HealthCheckFailed
    failure: degraded+ HealthCheckFailed
    failure: unhealthy HealthCheckFailed
    warn: degraded+
    pass: healthy+ HealthCheckPassed
    ");
}

#[test]
fn rule_6_7_ill_health_is_not_left_by_another_failure() {
    let health = after(&[FAIL, FAIL, PASS], policy(2, 2));
    let failed = fold(health, FAIL, policy(5, 2), at(9)).health;
    assert_eq!(failed.status(), Some(HealthStatus::Unhealthy));
}

#[test]
fn rule_6_8_a_broken_probe_changes_nothing_at_first_and_is_unknown_in_the_end() {
    assert_snapshot!(told(&[PASS, TRAP, TRAP, TRAP, PASS], policy(3, 1)), @"
    pass: healthy+ HealthCheckPassed
    inconclusive: healthy+ HealthCheckInconclusive
    inconclusive: healthy+ HealthCheckInconclusive
    inconclusive: unknown HealthCheckInconclusive
    pass: healthy+ HealthCheckPassed
    ");
    assert_eq!(after(&[PASS, TRAP, TRAP, TRAP], policy(3, 1)).reason(), "ProbeError");
    assert_eq!(after(&[PASS, BUSY, BUSY, BUSY], policy(3, 1)).reason(), "Busy");
}

#[test]
fn rule_6_8_a_broken_probe_never_makes_a_server_look_well() {
    assert_snapshot!(told(&[FAIL, FAIL, FAIL, TRAP, TRAP, TRAP, FAIL], policy(3, 1)), @"
    failure: degraded HealthCheckFailed
    failure: degraded HealthCheckFailed
    failure: unhealthy HealthCheckFailed
    inconclusive: unhealthy HealthCheckInconclusive
    inconclusive: unhealthy HealthCheckInconclusive
    inconclusive: unknown HealthCheckInconclusive
    failure: unhealthy HealthCheckFailed
    ");
}

#[test]
fn rule_6_8_a_conclusive_check_ends_the_row_of_inconclusive_ones() {
    assert_snapshot!(told(&[PASS, TRAP, TRAP, PASS, TRAP, TRAP], policy(3, 1)), @"
    pass: healthy+ HealthCheckPassed
    inconclusive: healthy+ HealthCheckInconclusive
    inconclusive: healthy+ HealthCheckInconclusive
    pass: healthy+
    inconclusive: healthy+ HealthCheckInconclusive
    inconclusive: healthy+ HealthCheckInconclusive
    ");
}

#[test]
fn rule_6_8_a_first_check_that_cannot_tell_says_why() {
    let health = after(&[TRAP], policy(3, 1));
    assert_eq!(health.status(), Some(HealthStatus::Unknown));
    assert_eq!((health.reason(), health.message()), ("ProbeError", "what it found"));
}

#[test]
fn rule_6_8_failures_that_say_nothing_about_the_server_are_inconclusive() {
    use FailureKind::{Denied, Host, Invalid, Other, Quota, Rpc, Tool, Unauthorized, Unsupported};
    for kind in [Denied, Quota, Invalid, Unsupported, Host] {
        assert_eq!(Verdict::Failure(kind).judgement(), Judgement::Inconclusive, "{kind:?}");
    }
    for kind in [Unauthorized, Rpc, Tool, Other] {
        assert_eq!(Verdict::Failure(kind).judgement(), Judgement::Failure, "{kind:?}");
    }
    assert_eq!(Verdict::Unknown.judgement(), Judgement::Inconclusive);
    assert_eq!(Verdict::Fail.judgement(), Judgement::Failure);
}

#[test]
fn rule_6_9_a_verdict_expires_after_three_intervals_and_a_timeout() {
    let health = after(&[PASS], policy(3, 1));
    let lifetime = policy(3, 1).verdict_lifetime();
    assert_eq!(lifetime, Duration::from_secs(100));
    assert!(health.clone().expire(at(99), lifetime).allows_ready());
    let expired = health.expire(at(100), lifetime);
    assert!(!expired.allows_ready());
    assert_eq!((expired.reason(), expired.message()), ("Expired", "nothing conclusive for 100s"));
    assert_eq!(expired.proof(), Proof::None);
}

#[test]
fn rule_6_9_inconclusive_checks_do_not_keep_a_verdict_alive() {
    let policy = policy(100, 1);
    let mut health = after(&[PASS], policy);
    for second in (30..100).step_by(30) {
        health = fold(health, TRAP, policy, at(second)).health;
    }
    assert!(health.allows_ready());
    assert!(!health.expire(at(100), policy.verdict_lifetime()).allows_ready());
}

#[test]
fn rule_6_9_what_is_unknown_already_does_not_expire_again() {
    let health = after(&[PASS, TRAP, TRAP, TRAP], policy(3, 1));
    assert_eq!(health.expire(at(5000), Duration::from_secs(100)).reason(), "ProbeError");
}

#[test]
fn rule_6_9_what_expired_while_it_failed_goes_on_counting() {
    let health = after(&[FAIL, FAIL, FAIL], policy(3, 1)).expire(at(500), Duration::from_secs(100));
    assert_eq!(health.status(), Some(HealthStatus::Unknown));
    assert_eq!(fold(health, FAIL, policy(3, 1), at(501)).health.status(), Some(HealthStatus::Unhealthy));
}

#[test]
fn rule_5_4_a_changed_check_drops_the_counts_and_what_was_proven() {
    let health = after(&[PASS, FAIL, FAIL], policy(3, 1)).check_changed();
    assert_eq!((health.status(), health.failures()), (Some(HealthStatus::Unknown), 0));
    assert!(!fold(health, FAIL, policy(3, 1), at(9)).health.allows_ready());
    assert_eq!(Health::default().check_changed(), Health::default());
}

#[test]
fn rule_2_4_only_a_successful_real_call_proves_function() {
    let found = |edit: fn(&mut CheckRecord)| {
        let mut record = check(PASS, "ok");
        edit(&mut record);
        Health::default().fold(&record, &policy(3, 1), at(0)).health.proof()
    };
    assert_eq!(found(|_| {}), Proof::Verified);
    assert_eq!(found(|record| record.calls = vec![call("tools/list"), call("ping")]), Proof::Unverified);
    assert_eq!(
        found(|record| record.calls = vec![call("tools/list"), call("resources/read")]),
        Proof::Verified
    );
    assert_eq!(found(|record| record.calls.clear()), Proof::Unverified);
    assert_eq!(found(|record| record.calls[0].deferred = true), Proof::Unverified);
    let fail = |record: &mut CheckRecord| {
        record.calls[0].failure = Some(CallFailure { kind: FailureKind::Tool, message: String::new() });
    };
    assert_eq!(found(fail), Proof::Unverified);
}

#[test]
fn rule_6_12_only_failures_of_the_host_in_a_row_call_for_a_restart() {
    assert!(after(&[SLOW, SLOW, SLOW], policy(3, 1)).calls_for_restart(3));
    assert!(!after(&[SLOW, SLOW, FAIL], policy(3, 1)).calls_for_restart(3));
    assert!(!after(&[FAIL, FAIL, FAIL, SLOW], policy(3, 1)).calls_for_restart(3));
    assert!(!after(&[SLOW, SLOW, SLOW, WARN], policy(3, 1)).calls_for_restart(3));
    assert!(!after(&[SLOW, SLOW, SLOW, TRAP, TRAP, TRAP], policy(3, 1)).calls_for_restart(3));
}

#[test]
fn rule_6_12_a_probe_that_claims_a_timeout_it_did_not_see_restarts_nothing() {
    let mut record = check(SLOW, "I say it timed out");
    record.ended_by_host = false;
    record.calls[0].failure = Some(CallFailure { kind: FailureKind::Tool, message: String::new() });
    assert!(!record.is_host_seen_mendable());
    assert!(!check(Verdict::Fail, "bad").is_host_seen_mendable());
}
