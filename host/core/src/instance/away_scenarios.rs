//! What the rules of behaviour.md say of an instance in a container while mcpd or the engine is away.

use std::time::Duration;

use insta::assert_snapshot;

use super::{AfterStop, AttemptReason, Count, Exit, Instance, Survival};
use crate::backoff::Schedule;
use crate::conditions::{ConditionStatus, ConditionType};
use crate::fixture::{at, connected, failed, fresh, moment, ready, revision, running};
use crate::time::between;

fn last_event(instance: &Instance) -> String {
    let event = instance.events.last().unwrap();
    format!("{} {}: {}", event.event_type.as_str(), event.reason, event.message)
}

fn interrupted(instance: Instance) -> Instance {
    instance.interrupted(Survival::MayLive, &Schedule::default(), at(9))
}

fn away(instance: Instance) -> Instance {
    instance.lost_sight("the engine does not answer".to_owned(), at(20))
}

#[test]
fn rule_5_8_what_lived_on_is_taken_over_and_nothing_is_counted() {
    let left = interrupted(ready(failed(1)(fresh())));
    assert_eq!((left.status(), left.restarts), ("STARTING", 0));
    let instance = left.begin_attempt(revision("v2"), at(10)).adopted(revision("v1"), at(0), at(11));
    assert_eq!((instance.status(), instance.restarts, instance.attempts.count), ("RUNNING", 0, 1));
    assert_eq!((instance.revision.launch.as_str(), instance.left_running), ("v1", false));
    assert_eq!(instance.health.status().unwrap().as_str(), "unknown");
    assert!(!instance.is_ready() && instance.connected_since().is_none());
    assert_snapshot!(last_event(&instance), @"Normal Adopted: Taken over as it runs, since 1970-01-01T00:00:00Z");
}

#[test]
fn rule_5_8_what_was_told_to_stop_meanwhile_is_not_taken_over() {
    let stopping = interrupted(ready(fresh())).stopping(AfterStop::Remove, "deleted", at(10));
    assert_eq!(stopping.clone().adopted(revision("v1"), at(0), at(11)), stopping);
}

#[test]
fn rule_5_7_an_exit_that_nobody_saw_is_told_and_is_a_restart_but_no_failed_attempt() {
    let instance = interrupted(ready(fresh())).missed_exit(Exit::Code(3), at(11));
    assert_eq!((instance.status(), instance.restarts, instance.attempts.count), ("STARTING", 1, 0));
    assert_snapshot!(last_event(&instance), @"Warning Exited: exited with code 3 while mcpd was away");
    assert_eq!(instance.clone().missed_exit(Exit::Vanished, at(11)), instance, "it is told once");
    let new = fresh().begin_attempt(revision("v1"), at(11));
    assert_eq!(new.clone().missed_exit(Exit::Vanished, at(11)), new, "what never ran has not ended");
}

#[test]
fn rule_5_8_a_second_end_of_mcpd_and_an_engine_that_is_away_do_not_make_it_forget_what_may_run() {
    let left = interrupted(interrupted(ready(fresh())));
    let left = left.begin_attempt(revision("v1"), at(10));
    let failed = interrupted(left.runtime_unreachable("no such socket".to_owned(), moment(at(11))));
    assert!(failed.left_running);
    assert_eq!((failed.status(), failed.restarts, failed.attempts.count), ("ERROR", 0, 1));
    let instance = failed.begin_attempt(revision("v1"), at(12)).adopted(revision("v1"), at(0), at(12));
    assert_eq!((instance.status(), instance.restarts, instance.left_running), ("RUNNING", 0, false));
}

#[test]
fn rule_5_3_one_to_be_stopped_that_may_run_still_is_remembered_until_it_is_proved_gone() {
    let stopping = || ready(fresh()).stopping(AfterStop::Remove, "deleted", at(5));
    assert!(interrupted(interrupted(stopping())).left_running);
    assert!(!stopping().interrupted(Survival::Ends, &Schedule::default(), at(9)).left_running);
    let again = ready(fresh()).stopping(AfterStop::Again("refused".to_owned()), "refused", at(5));
    assert!(!interrupted(again).gone(moment(at(10))).unwrap().left_running);
}

#[test]
fn rule_4_7_a_runtime_that_does_not_answer_is_a_failed_attempt_in_its_own_words() {
    let words = "the container engine does not answer: connection refused";
    let instance = fresh().runtime_unreachable(words.to_owned(), moment(at(5)));
    assert_snapshot!(last_event(&instance), @"Warning RuntimeUnreachable: the container engine does not answer: connection refused");
    let error = instance.error().unwrap();
    assert_eq!((error.reason, error.message.as_str()), (AttemptReason::RuntimeUnreachable, words));
    let wait = |instance: &Instance| between(at(6), instance.next_retry_at().unwrap()).as_secs();
    assert_eq!((instance.attempts.count, wait(&instance)), (1, 29));
    let woken = instance.woken(at(6), Count::Keep, at(6));
    assert_eq!((woken.attempts.count, wait(&woken)), (1, 0));
}

#[test]
fn rule_2_4_while_its_runtime_is_away_it_is_known_neither_to_run_nor_to_be_ready() {
    let instance = away(ready(fresh()));
    assert_eq!((instance.status(), instance.is_ready()), ("RUNNING", false));
    for condition_type in [ConditionType::Running, ConditionType::Ready] {
        let condition = instance.conditions.find(condition_type).unwrap();
        assert_eq!(condition.status, ConditionStatus::Unknown);
        assert_eq!(condition.reason, "RuntimeUnreachable");
        assert_eq!(condition.message, "the engine does not answer");
        assert_eq!(condition.last_transition_at, at(20));
    }
    let back = away(instance.clone()).sighted(at(30));
    assert!(back.is_ready());
    assert_eq!(back.conditions.find(ConditionType::Running).unwrap().last_transition_at, at(30));
    let events: Vec<_> = back.events.iter().rev().take(2).map(|e| (e.reason.as_str(), e.count)).collect();
    assert_eq!(events, [("RuntimeReachable", 1), ("RuntimeUnreachable", 1)]);
    assert_eq!(back.clone().sighted(at(31)), back);
}

#[test]
fn rule_2_4_only_what_runs_can_be_lost_from_sight_and_a_new_run_is_seen() {
    let instance = failed(1)(fresh());
    assert_eq!(away(instance.clone()), instance);
    let ended = away(ready(fresh())).exited(Exit::Code(137), "", moment(at(30)));
    assert_eq!((ended.status(), ended.sight_lost(), ended.attempts.count), ("ERROR", None, 1));
    assert_eq!(running(ended).sight_lost(), None);
}

#[test]
fn rule_7_2_one_that_refuses_a_second_handshake_is_started_again_at_once_and_counts_as_no_failure() {
    let words = "it refused a second handshake";
    let again = AfterStop::Again(words.to_owned());
    let instance = connected(failed(2)(fresh())).stopping(again, words, at(3));
    assert_eq!((instance.status(), instance.error()), ("STOPPING", None));
    let instance = instance.stop_failed("busy".to_owned(), moment(at(4))).woken(at(5), Count::Keep, at(5));
    let instance = instance.gone(moment(at(5))).unwrap();
    assert_eq!((instance.status(), instance.restarts, instance.attempts.count), ("STARTING", 1, 2));
    assert_eq!(instance.next_retry_at(), None);
    let removed = connected(fresh()).stopping(AfterStop::Again(words.to_owned()), words, at(3));
    assert_eq!(removed.stopping(AfterStop::Remove, "deleted", at(4)).gone(moment(at(5))), None);
}

#[test]
fn rule_7_2_one_that_ends_when_it_is_greeted_a_second_time_is_started_again_at_once_too() {
    let instance = running(failed(2)(fresh()));
    let again = instance.exited_when_greeted_again(Exit::Code(1), "initialized already\n", at(3));
    assert_eq!((again.status(), again.restarts, again.attempts.count), ("STARTING", 1, 2));
    assert_eq!((again.error(), again.next_retry_at()), (None, None));
    assert_snapshot!(last_event(&again), @"Warning Exited: it took no second handshake: exited with code 1: initialized already");
    let stopping = ready(fresh()).stopping(AfterStop::Remove, "deleted", at(3));
    assert_eq!(stopping.clone().exited_when_greeted_again(Exit::Code(1), "", at(4)), stopping);
}

#[test]
fn a_pull_is_told_in_one_event_that_makes_room_for_the_next() {
    let pulling = |instance: Instance, mib: u64| instance.pulling("demo:1", mib << 20, 120 << 20, at(mib));
    let instance = pulling(pulling(fresh(), 3), 34);
    assert_snapshot!(last_event(&instance), @"Normal Pulling: pulling image demo:1: 34 of 120 MiB");
    let pulled = instance.clone().pulled("demo:1", Duration::from_secs(12), at(40));
    assert_snapshot!(last_event(&pulled), @"Normal Pulled: pulled image demo:1 in 12s");
    let reasons: Vec<_> = pulled.events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(reasons, ["Created", "Pulled"]);
    assert_snapshot!(last_event(&fresh().pulling("demo:1", 0, 0, at(1))), @"Normal Pulling: pulling image demo:1");
    let late = failed(1)(fresh());
    assert_eq!(pulling(late.clone(), 4), late);
}
