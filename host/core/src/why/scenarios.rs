//! What people are told about the servers they meet first, and about those in trouble.

use insta::assert_snapshot;

use super::*;
use crate::check::{FailureKind, Verdict};
use crate::fixture::{
    Fleet, at, check, checked, connected, exited, failed, leaving, missing_secret, moment, ready, running,
};

fn told(fleet: &Fleet) -> String {
    let why = why(at(10), &fleet.server, &fleet.instances, &fleet.decide());
    format!("{}\nnext: {}\n{}", why.sentence, why.next, why.chain.join("\n"))
}

fn found(verdict: Verdict, message: &'static str, times: u32) -> impl Fn(Instance) -> Instance {
    move |instance| {
        let record = check(verdict, message);
        (0..times).fold(connected(instance), |instance, _| checked(instance, &record, at(0)))
    }
}

#[test]
fn a_server_that_works_says_what_proved_it() {
    assert_snapshot!(told(&Fleet::of(1).with("a", ready)), @"
    demo is ready, proven by a real call
    next: it is checked every 30s
    1 of 1 replicas ready
    ");
}

#[test]
fn a_server_that_only_lists_its_tools_is_told_from_a_proven_one() {
    let mut record = check(Verdict::Pass, "ok");
    record.calls[0].method = "tools/list".to_owned();
    let fleet = Fleet::of(1).with("a", |i| checked(connected(i), &record, at(0)));
    assert_snapshot!(told(&fleet), @"
    demo is ready (unverified): it answers, but no real call was made to prove that it works
    next: it is checked every 30s
    1 of 1 replicas ready
    Functional is False (Unverified) on instance a: no real call was made
    ");
}

#[test]
fn a_wrong_token_is_told_in_the_words_of_the_server() {
    let refused = Verdict::Failure(FailureKind::Tool);
    assert_snapshot!(told(&Fleet::of(1).with("a", found(refused, "token is required", 3))), @"
    demo is unhealthy: token is required
    next: it is checked every 30s
    0 of 1 replicas ready
    Ready is False (Unhealthy) on instance a
    Functional is False (CheckFailed) on instance a: token is required
    ");
    assert_snapshot!(told(&Fleet::of(1).with("a", found(refused, "token is required", 1))), @"
    demo was not seen to work since it started: token is required
    next: it is checked every 30s
    0 of 1 replicas ready
    Ready is False (NotProven) on instance a
    Functional is False (CheckFailed) on instance a: token is required
    ");
}

#[test]
fn a_missing_secret_is_told_with_the_time_of_the_next_attempt() {
    let missing = |instance: Instance| instance.secrets_missing(&missing_secret(), moment(at(0)));
    assert_snapshot!(told(&Fleet::of(1).with("a", missing)), @"
    demo is in ERROR after 1 failed attempt: secret resolution failed: variable TOKEN: secret demo-token, key token, backend sealed: secret not found
    next: attempt 2 in 20s, or at once when a secret or the server changes
    0 of 1 replicas ready
    Ready is False (NotRunning) on instance a
    Functional is Unknown (NotRunning) on instance a
    Connected is False (NotRunning) on instance a
    Running is False (SecretsUnresolved) on instance a
    SecretsResolved is False (SecretsUnresolved) on instance a: secret resolution failed: variable TOKEN: secret demo-token, key token, backend sealed: secret not found
    ");
}

#[test]
fn what_is_not_known_is_not_called_ill() {
    assert_snapshot!(told(&Fleet::of(1).with("a", connected)), @"
    demo runs and is connected, but was not checked yet
    next: it is checked every 30s
    0 of 1 replicas ready
    Ready is False (NotChecked) on instance a: no check has run
    Functional is Unknown (NotProven) on instance a
    ");
    assert_snapshot!(told(&Fleet::of(1).change(|s| s.checks = None).with("a", connected)), @"
    demo runs and is connected; whether it works nobody knows, for its checks are disabled
    next: nothing: its checks are disabled
    0 of 1 replicas ready
    Ready is False (NotChecked) on instance a: no check has run
    Functional is Unknown (NotProven) on instance a
    ");
    assert_snapshot!(told(&Fleet::of(1).with("a", running)), @"
    demo runs, and is not connected yet
    next: it is checked every 30s
    0 of 1 replicas ready
    Ready is False (Connecting) on instance a
    Functional is Unknown (NotProven) on instance a
    Connected is False (Connecting) on instance a
    ");
    let again = |i: Instance| ready(failed(1)(ready(i))).disconnected("reset by peer".to_owned(), at(9));
    assert_snapshot!(told(&Fleet::of(1).with("a", again)), @"
    demo runs, but the connection failed: reset by peer
    next: it is checked every 30s
    0 of 1 replicas ready
    Ready is False (ConnectionFailed) on instance a
    Connected is False (ConnectionFailed) on instance a: reset by peer
    ");
}

#[test]
fn a_restarted_instance_is_not_said_to_be_stopped() {
    let again = |i: Instance| connected(exited(i));
    assert_snapshot!(told(&Fleet::of(1).with("a", again)), @"
    demo runs, but nobody knows whether it works: no check since it stopped running
    next: it is checked every 30s
    0 of 1 replicas ready
    Ready is False (NotProven) on instance a
    Functional is Unknown (NotProven) on instance a: no check since it stopped running
    ");
}

#[test]
fn the_worst_instance_is_told_and_a_rollout_that_is_stuck() {
    let fleet = Fleet::of(1).with("a", ready).launch("v2").with("b", failed(1));
    let fleet = fleet.change(|server| server.progress_deadline = Duration::from_secs(5));
    assert_snapshot!(told(&fleet), @"
    demo serves with 1 of 1 replicas ready, but instance b is in ERROR after 1 failed attempt: no such file: demo
    next: attempt 2 in 21s, or at once when a secret or the server changes
    1 of 1 replicas ready
    the rollout is stuck: instance b is not ready after 9s
    Ready is False (NotRunning) on instance b
    Functional is Unknown (NotRunning) on instance b
    Connected is False (NotRunning) on instance b
    Running is False (StartFailed) on instance b: no such file: demo
    SecretsResolved is Unknown (NotAttempted) on instance b
    ");
}

#[test]
fn a_server_without_instances_says_why() {
    assert_snapshot!(told(&Fleet::of(1)), @"
    demo has no instance yet
    next: an instance is made: 0 of 1 replicas exist
    ");
    assert_snapshot!(told(&Fleet::of(0)), @"
    demo is switched off: replicas is 0
    next: nothing, until it is changed
    ");
    assert_snapshot!(told(&Fleet::of(1).change(|server| server.wish = Wish::Delete)), @"
    demo was deleted and is being forgotten
    next: the server is forgotten: all its instances are gone
    ");
    assert_snapshot!(told(&Fleet::of(0).with("a", leaving).in_flight("a")), @"
    demo is stopping
    next: it is forgotten once it is proved gone
    0 of 0 replicas ready
    Ready is False (NotRunning) on instance a
    Functional is Unknown (NotRunning) on instance a
    Connected is False (NotRunning) on instance a
    Running is False (Stopping) on instance a
    ");
}

#[test]
fn an_engine_that_is_away_is_told_as_what_is_not_known() {
    let words = || "the container engine at /run/engine.sock does not answer: connection refused".to_owned();
    let away = |i: Instance| ready(i).lost_sight(words(), at(7));
    assert_snapshot!(told(&Fleet::of(2).with("a", away).with("b", ready)), @"
    demo serves with 1 of 2 replicas ready, but instance a ran when it was last seen, and nobody knows now: the container engine at /run/engine.sock does not answer: connection refused
    next: it is looked at again as soon as the runtime answers
    1 of 2 replicas ready
    Ready is Unknown (RuntimeUnreachable) on instance a
    Running is Unknown (RuntimeUnreachable) on instance a: the container engine at /run/engine.sock does not answer: connection refused
    ");
    let waits = |i: Instance| i.runtime_unreachable(words(), moment(at(0)));
    assert_snapshot!(told(&Fleet::of(1).with("a", waits)).lines().take(2).collect::<Vec<_>>().join("\n"), @"
    demo is in ERROR after 1 failed attempt: the container engine at /run/engine.sock does not answer: connection refused
    next: attempt 2 in 20s, or at once when the runtime answers again
    ");
}

#[test]
fn a_restart_for_a_second_handshake_says_why_and_what_follows() {
    let words = "it refused a second handshake: already initialized";
    let again = |i: Instance| ready(i).stopping(AfterStop::Again(words.to_owned()), words, at(7));
    let told = told(&Fleet::of(1).with("a", again).in_flight("a"));
    assert_snapshot!(told.lines().take(2).collect::<Vec<_>>().join("\n"), @"
    demo is stopping, to be started anew: it refused a second handshake: already initialized
    next: it is started anew once it is proved gone
    ");
}
