//! The rules of behaviour.md about the life of one instance, one by one.

use insta::assert_snapshot;

use super::{AfterStop, AttemptError, AttemptReason, Count, Exit, Instance, Moment, Secrets, Survival};
use crate::backoff::{Chance, Schedule};
use crate::check::Verdict;
use crate::conditions::ConditionType;
use crate::event::{EVENT_MESSAGE_BYTES_MAX, EVENTS_MAX};
use crate::fixture::{
    at, check, checked, connected, exited, failed, fresh, missing_secret, moment, ready, revision, running,
};
use crate::health::HealthStatus;
use crate::time::between;

fn unhealthy() -> AttemptError {
    AttemptError { reason: AttemptReason::Unhealthy, message: "restarted as unhealthy: timed out".to_owned() }
}

/// Seconds from `now` to the next attempt.
fn wait(instance: &Instance, now: u64) -> u64 {
    between(at(now), instance.next_retry_at().unwrap()).as_secs()
}

fn last_event(instance: &Instance) -> String {
    let event = instance.events.last().unwrap();
    format!("{} {}: {}", event.event_type.as_str(), event.reason, event.message)
}

#[test]
fn rule_2_1_the_status_follows_what_was_observed() {
    let statuses = [
        fresh(),
        running(fresh()),
        ready(fresh()).stopping(AfterStop::Remove, "deleted", at(1)),
        failed(1)(fresh()),
        exited(fresh()),
    ];
    assert_eq!(statuses.map(|i| i.status()), ["STARTING", "RUNNING", "STOPPING", "ERROR", "ERROR"]);
}

#[test]
fn rule_2_1_an_attempt_that_ends_after_the_stop_was_ordered_does_not_bring_it_back() {
    let stopping = fresh().stopping(AfterStop::Remove, "deleted", at(1));
    assert_eq!(stopping.clone().started(at(2)), stopping);
    assert_eq!(stopping.clone().start_failed("no".to_owned(), moment(at(2))), stopping);
    assert_eq!(stopping.clone().secrets_missing(&missing_secret(), moment(at(2))), stopping);
    assert_eq!(stopping.clone().begin_attempt(revision("v2"), at(2)), stopping);
    assert_eq!(stopping.clone().exited(Exit::Code(0), "", moment(at(2))), stopping);
}

#[test]
fn rule_2_3_health_is_unknown_as_soon_as_it_runs_no_more() {
    let gone = exited(fresh());
    assert_eq!(gone.health.status(), Some(HealthStatus::Unknown));
    assert_eq!(gone.health.reason(), "NotRunning");
    assert!(!gone.is_ready());
}

#[test]
fn rule_2_4_ready_needs_a_new_pass_after_each_start() {
    let again = connected(exited(fresh()));
    assert!(!again.is_ready());
    assert!(checked(again, &check(Verdict::Pass, "ok"), at(9)).is_ready());
}

#[test]
fn rule_2_4_a_verdict_that_comes_after_the_exit_changes_nothing() {
    let late = checked(exited(fresh()), &check(Verdict::Pass, "ok"), at(1));
    assert_eq!(late.health.status(), Some(HealthStatus::Unknown));
    assert!(!late.is_ready() && !connected(late).is_ready());
}

#[test]
fn rule_2_5_a_start_that_succeeds_clears_error_and_next_retry_and_keeps_the_count() {
    let instance = running(failed(2)(fresh()));
    assert_eq!((instance.error(), instance.next_retry_at(), instance.attempts.count), (None, None, 2));
    assert_eq!(instance.attempts.last_at, Some(at(0)));
}

#[test]
fn rule_2_6_repeated_failures_push_nothing_out() {
    let instance = failed(200)(fresh());
    let events: Vec<_> = instance.events.iter().map(|e| (e.reason.as_str(), e.count)).collect();
    assert_eq!(events, [("Created", 1), ("StartFailed", 200)]);
    assert!(events.len() < EVENTS_MAX);
}

#[test]
fn rule_3_2_a_missing_secret_starts_nothing_and_is_named_in_full() {
    let instance = fresh().secrets_missing(&missing_secret(), moment(at(5)));
    assert_snapshot!(last_event(&instance), @"Warning SecretsUnresolved: secret resolution failed: variable TOKEN: secret demo-token, key token, backend sealed: secret not found");
    assert_eq!(instance.error().unwrap().message, missing_secret().to_string());
    assert!(matches!(instance.secrets, Secrets::Missing(_)));
    assert_eq!((instance.status(), instance.attempts.count, wait(&instance, 5)), ("ERROR", 1, 30));
}

#[test]
fn rule_4_1_and_4_2_each_failure_counts_and_the_wait_escalates_after_the_fifth() {
    let waits: Vec<_> = (1..=7).map(|n| wait(&failed(n)(fresh()), 0)).collect();
    assert_eq!(waits, [30, 30, 30, 30, 30, 300, 300]);
    assert_eq!(failed(7)(fresh()).attempts.count, 7);
}

#[test]
fn rule_4_2_the_jitter_only_lengthens() {
    let schedule = Schedule::default();
    let moment = Moment { now: at(0), schedule: &schedule, chance: Chance::from_bits(u64::MAX) };
    let wait = wait(&fresh().start_failed("no".to_owned(), moment), 0);
    assert!((30..=33).contains(&wait), "{wait}");
}

#[test]
fn rule_4_5_an_exit_is_a_failed_attempt_with_the_end_of_its_stderr_in_the_event() {
    let instance = connected(fresh()).exited(Exit::Signal(9), "GITEA_HOST is not set\n", moment(at(3)));
    assert_snapshot!(last_event(&instance), @"Warning Exited: exited with code 137 (signal 9): GITEA_HOST is not set");
    assert_eq!(instance.error().unwrap().message, "exited with code 137 (signal 9)");
    assert_eq!((instance.attempts.count, instance.restarts, wait(&instance, 3)), (1, 1, 30));
    let instance = connected(fresh()).exited(Exit::Code(0), "", moment(at(3)));
    assert_snapshot!(last_event(&instance), @"Warning Exited: exited with code 0");
}

#[test]
fn rule_4_5_of_a_long_stderr_the_event_has_the_end() {
    let stderr = format!("{}the last words", "ä".repeat(5000));
    let instance = connected(fresh()).exited(Exit::Code(1), &stderr, moment(at(3)));
    let message = &instance.events.last().unwrap().message;
    assert!(message.ends_with("the last words") && message.len() < 2100, "{}", message.len());
}

#[test]
fn rule_4_5_the_first_exit_after_ready_is_tried_at_once_with_the_count_at_one() {
    let instance = ready(failed(4)(fresh())).exited(Exit::Code(1), "", moment(at(9)));
    assert_eq!((instance.attempts.count, wait(&instance, 9)), (1, 0));
    assert_eq!(instance.error().unwrap().reason, AttemptReason::Exited);
}

#[test]
fn rule_4_5_having_been_ready_is_not_forgotten_when_it_was_ill_before_it_ended() {
    let ill = (0..3).fold(ready(fresh()), |i, _| checked(i, &check(Verdict::Fail, "no"), at(1)));
    assert!(!ill.is_ready());
    assert_eq!(wait(&ill.exited(Exit::Code(1), "", moment(at(9))), 9), 0);
}

#[test]
fn rule_4_5_the_second_exit_is_on_the_schedule_and_shown_as_a_crash_loop() {
    let instance = ready(exited(fresh())).exited(Exit::Code(1), "", moment(at(9)));
    assert_eq!((instance.attempts.count, wait(&instance, 9)), (2, 30));
    assert_eq!(instance.error().unwrap().reason, AttemptReason::CrashLoop);
    let running = instance.conditions.find(ConditionType::Running).unwrap();
    assert_eq!(running.reason, "CrashLoop");
}

#[test]
fn rule_4_5_an_exit_before_ready_is_on_the_schedule() {
    let instance = connected(fresh()).exited(Exit::Code(1), "", moment(at(9)));
    assert_eq!((instance.attempts.count, wait(&instance, 9)), (1, 30));
}

#[test]
fn rule_4_5_an_exit_that_is_reported_twice_counts_once() {
    let instance = exited(fresh());
    assert_eq!(instance.clone().exited(Exit::Vanished, "", moment(at(9))), instance);
}

#[test]
fn rule_4_6_after_a_reset_an_exit_is_the_first_again() {
    let instance = ready(exited(fresh())).count_reset(at(700)).exited(Exit::Code(1), "", moment(at(701)));
    assert_eq!((instance.attempts.count, wait(&instance, 701)), (1, 0));
}

#[test]
fn rule_4_6_a_wake_brings_the_attempt_forward_and_never_back() {
    let instance = failed(7)(fresh());
    assert_eq!(wait(&instance.clone().woken(at(2), Count::Keep, at(1)), 1), 1);
    assert_eq!(instance.clone().woken(at(2), Count::Keep, at(1)).attempts.count, 7);
    assert_eq!(instance.clone().woken(at(2), Count::Reset, at(1)).attempts.count, 0);
    assert_eq!(wait(&instance.woken(at(900), Count::Keep, at(1)), 1), 299);
}

#[test]
fn rule_4_8_a_retry_from_disk_lies_no_further_than_the_longest_delay() {
    let instance = failed(7)(fresh());
    let restarted = instance.clone().interrupted(Survival::Ends, &Schedule::default(), at(100));
    assert_eq!((restarted.attempts.count, wait(&restarted, 100)), (7, 200));
    let clock_set_back = fresh().start_failed("no".to_owned(), moment(at(90_000)));
    assert_eq!(wait(&clock_set_back.interrupted(Survival::Ends, &Schedule::default(), at(0)), 0), 330);
}

#[test]
fn rule_5_3_a_stop_that_failed_is_still_a_stop() {
    let instance = ready(fresh()).stopping(AfterStop::Remove, "deleted", at(1));
    let instance = instance.stop_failed("permission denied".to_owned(), moment(at(2)));
    assert_eq!(instance.status(), "STOPPING");
    assert_snapshot!(last_event(&instance), @"Warning StopFailed: permission denied");
    assert_eq!(instance.gone(moment(at(3))), None);
}

#[test]
fn rule_5_7_an_end_of_mcpd_is_no_failed_attempt() {
    let instance = ready(failed(1)(fresh())).interrupted(Survival::Ends, &Schedule::default(), at(9));
    assert_eq!((instance.status(), instance.attempts.count), ("STARTING", 1));
    assert_snapshot!(last_event(&instance), @"Normal Interrupted: mcpd was restarted");
}

#[test]
fn rule_5_7_a_stop_under_way_goes_on_after_a_restart_of_mcpd_and_still_counts() {
    let instance = ready(fresh()).stopping(AfterStop::Fail(unhealthy()), "unhealthy", at(1));
    let instance = instance.interrupted(Survival::Ends, &Schedule::default(), at(9));
    assert_eq!(instance.status(), "STOPPING");
    let instance = instance.gone(moment(at(10))).unwrap();
    assert_eq!((instance.attempts.count, wait(&instance, 10)), (1, 30));
}

#[test]
fn rule_6_9_after_a_start_of_mcpd_health_is_unknown_until_proven_again() {
    let instance = connected(ready(fresh()).interrupted(Survival::Ends, &Schedule::default(), at(9)));
    assert_eq!(instance.health.status(), Some(HealthStatus::Unknown));
    assert!(!instance.is_ready());
}

#[test]
fn rule_6_12_a_restart_for_ill_health_is_a_failed_attempt_on_the_schedule() {
    let instance = ready(fresh()).stopping(AfterStop::Fail(unhealthy()), "unhealthy", at(1));
    let instance = instance.gone(moment(at(3))).unwrap();
    assert_eq!((instance.attempts.count, instance.restarts, wait(&instance, 3)), (1, 1, 30));
    assert_eq!(instance.error().unwrap().message, "restarted as unhealthy: timed out");
}

#[test]
fn a_removal_overrules_a_restart_and_not_the_other_way_round() {
    let restart = ready(fresh()).stopping(AfterStop::Fail(unhealthy()), "unhealthy", at(1));
    let removed = restart.stopping(AfterStop::Remove, "deleted", at(2));
    let kept = removed.stopping(AfterStop::Fail(unhealthy()), "unhealthy", at(3));
    assert_eq!(kept.gone(moment(at(4))), None);
}

#[test]
fn rule_2_5_the_error_stays_until_a_start_succeeds_or_a_change_makes_it_a_thing_of_the_past() {
    let words = |instance: &Instance| instance.error().map(|error| error.message.clone());
    let before = failed(1)(fresh());
    let again = before.clone().begin_attempt(revision("a"), at(40));
    assert!(words(&again).is_some());
    assert_eq!((again.status(), words(&again)), ("STARTING", words(&before)));
    assert_eq!(words(&again.clone().started(at(41))), None);
    let changed = before.woken(at(40), Count::Reset, at(40)).begin_attempt(revision("b"), at(40));
    assert_eq!(words(&changed), None);
    let ill = ready(fresh()).stopping(AfterStop::Fail(unhealthy()), "unhealthy", at(1));
    assert_eq!(words(&ill), Some(unhealthy().message));
    assert_eq!(words(&again.stopping(AfterStop::Remove, "deleted", at(42))), None);
}

#[test]
fn the_words_of_a_failed_attempt_are_no_longer_than_those_of_an_event() {
    let words = || "ä".repeat(9999);
    let fail = || AfterStop::Fail(AttemptError { reason: AttemptReason::StartFailed, message: words() });
    for instance in
        [running(fresh()).disconnected(words(), at(1)), running(fresh()).stopping(fail(), "refused", at(1))]
    {
        assert!(!format!("{instance:?}").contains(&"ä".repeat(EVENT_MESSAGE_BYTES_MAX / 2 + 1)));
    }
}
