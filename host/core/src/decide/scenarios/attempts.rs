//! When an instance is attempted, left alone, restarted or forgiven (behaviour 4, 5.7, 6.12).

use insta::assert_snapshot;

use crate::backoff::Schedule;
use crate::check::{FailureKind, Verdict};
use crate::fixture::{
    Fleet, at, check, checked, connected, exited, failed, fresh, missing_secret, moment, ready, revision,
    running, timed_out,
};
use crate::instance::{Count, Exit, Instance, Survival};
use crate::server::OnUnhealthy;

fn restart_the_unhealthy(fleet: Fleet) -> Fleet {
    fleet.change(|server| server.on_unhealthy = OnUnhealthy::Restart)
}

#[test]
fn rule_4_a_new_instance_is_attempted_at_once_and_only_once() {
    assert_snapshot!(Fleet::of(1).with("a", |i| i).plan(), @"attempt a: a start attempt is due");
    assert_snapshot!(Fleet::of(1).with("a", |i| i).in_flight("a").plan(), @"nothing to do");
}

#[test]
fn rule_4_3_an_instance_in_error_is_left_alone_and_counts_as_a_replica() {
    assert_snapshot!(Fleet::of(1).with("a", failed(1)).plan(), @"look again in 20s");
}

#[test]
fn rule_4_3_a_missing_secret_is_no_reason_to_make_another_instance() {
    let missing = |instance: Instance| instance.secrets_missing(&missing_secret(), moment(at(0)));
    assert_snapshot!(Fleet::of(1).with("a", missing).plan(), @"look again in 20s");
}

#[test]
fn rule_4_4_the_same_instance_is_attempted_again_and_the_count_goes_on() {
    assert_snapshot!(Fleet::of(1).with("a", failed(3)).now(30).plan(), @"attempt a: attempt 4 is due");
    let again = failed(3)(fresh()).begin_attempt(revision("v1"), at(30));
    assert_eq!(again.attempts.count, 3);
    assert_eq!(again.start_failed("no".to_owned(), moment(at(31))).attempts.count, 4);
}

#[test]
fn rule_4_5_the_first_exit_of_an_instance_that_was_ready_is_attempted_at_once() {
    assert_snapshot!(Fleet::of(1).with("a", exited).now(0).plan(), @"attempt a: attempt 2 is due");
}

#[test]
fn rule_4_5_an_exit_before_ready_waits_for_its_time() {
    let died = |instance: Instance| connected(instance).exited(Exit::Code(0), "", moment(at(0)));
    assert_snapshot!(Fleet::of(1).with("a", died).plan(), @"look again in 20s");
}

#[test]
fn rule_4_6_the_count_is_forgotten_after_600_s_in_service() {
    let recovered = |instance: Instance| connected(failed(2)(instance));
    assert_snapshot!(Fleet::of(1).with("a", recovered).now(599).plan(), @"look again in 1s");
    assert_snapshot!(Fleet::of(1).with("a", recovered).now(600).plan(), @"reset the count of a: it has run and been connected long enough");
}

#[test]
fn rule_4_6_without_a_connection_the_count_is_never_forgotten() {
    let recovered = |instance: Instance| running(failed(2)(instance));
    assert_snapshot!(Fleet::of(1).with("a", recovered).now(6000).plan(), @"nothing to do");
}

#[test]
fn rule_4_6_a_connection_that_broke_starts_the_wait_anew() {
    let recovered = |instance: Instance| {
        let broken = connected(failed(2)(instance)).disconnected("reset".to_owned(), at(500));
        broken.connected("2025-11-25".to_owned(), at(501))
    };
    assert_snapshot!(Fleet::of(1).with("a", recovered).now(600).plan(), @"look again in 8m");
}

#[test]
fn rule_4_6_changed_launch_fields_are_tried_at_once_with_a_new_count() {
    assert_snapshot!(Fleet::of(1).with("a", failed(4)).launch("v2").plan(), @"refresh a: the launch fields or a secret changed");
}

#[test]
fn rule_4_6_a_changed_secret_is_tried_at_once_with_a_new_count() {
    let fleet = Fleet::of(1).with("a", failed(4));
    assert_snapshot!(fleet.change(|server| server.revision.secrets = Some("s2".to_owned())).plan(), @"refresh a: the launch fields or a secret changed");
}

#[test]
fn rule_4_6_a_backend_that_recovers_wakes_but_does_not_reset() {
    let woken = |instance: Instance| failed(7)(instance).woken(at(9), Count::Keep, at(9));
    assert_snapshot!(Fleet::of(1).with("a", woken).plan(), @"attempt a: attempt 8 is due");
}

#[test]
fn rule_4_6_an_attempt_for_launch_fields_nobody_wants_is_ended() {
    let fleet = Fleet::of(1).with("a", |i| i).in_flight("a").launch("v2");
    assert_snapshot!(fleet.plan(), @"cancel a: the launch fields or a secret changed while it started");
}

#[test]
fn rule_4_6_an_attempt_with_a_secret_that_changed_meanwhile_is_ended() {
    let fleet = Fleet::of(1).with("a", |i| i).in_flight("a");
    let fleet = fleet.change(|server| server.revision.secrets = Some("s2".to_owned()));
    assert_snapshot!(fleet.plan(), @"cancel a: the launch fields or a secret changed while it started");
}

#[test]
fn rule_4_6_an_attempt_that_was_ended_for_changed_launch_fields_starts_its_count_anew() {
    let waiting = |instance: Instance| {
        let revision = instance.revision.clone();
        failed(4)(instance).begin_attempt(revision, at(0))
    };
    assert_snapshot!(Fleet::of(1).with("a", waiting).launch("v2").plan(), @"refresh a: the launch fields or a secret changed");
}

#[test]
fn rule_5_7_what_ended_because_mcpd_ended_is_attempted_at_once_with_its_count_kept() {
    let interrupted = |instance: Instance| {
        ready(failed(2)(instance)).interrupted(Survival::Ends, &Schedule::default(), at(5))
    };
    assert_snapshot!(Fleet::of(1).with("a", interrupted).plan(), @"attempt a: a start attempt is due");
    assert_eq!(interrupted(fresh()).attempts.count, 2);
}

#[test]
fn rule_6_12_ill_health_restarts_nothing_by_itself() {
    assert_snapshot!(Fleet::of(1).with("a", timed_out(9)).plan(), @"nothing to do");
}

#[test]
fn rule_6_12_where_it_is_asked_for_a_server_that_answers_no_more_is_restarted() {
    assert_snapshot!(restart_the_unhealthy(Fleet::of(1).with("a", timed_out(3))).plan(), @"stop a, as failed (restarted as unhealthy: timed out after 10s): unhealthy, and onUnhealthy is restart");
    assert_snapshot!(restart_the_unhealthy(Fleet::of(1).with("a", timed_out(2))).plan(), @"nothing to do");
}

#[test]
fn rule_6_12_a_restart_cannot_mend_a_wrong_token() {
    let refused = |instance: Instance| {
        let record = check(Verdict::Failure(FailureKind::Tool), "token is required");
        (0..9).fold(connected(instance), |instance, _| checked(instance, &record, at(0)))
    };
    assert_snapshot!(restart_the_unhealthy(Fleet::of(1).with("a", refused)).plan(), @"nothing to do");
}

#[test]
fn rule_6_12_one_replica_is_restarted_at_a_time() {
    let fleet = Fleet::of(2).with("a", timed_out(3)).with("b", timed_out(3));
    assert_snapshot!(restart_the_unhealthy(fleet).plan(), @"stop a, as failed (restarted as unhealthy: timed out after 10s): unhealthy, and onUnhealthy is restart");
    let fleet = Fleet::of(2).with("a", failed(1)).with("b", timed_out(3));
    assert_snapshot!(restart_the_unhealthy(fleet).plan(), @"look again in 20s");
}

#[test]
fn nothing_is_decided_about_what_cannot_be_seen() {
    let away = |i: Instance| i.lost_sight("away".to_owned(), at(5));
    let fleet = Fleet::of(1).change(|server| server.on_unhealthy = OnUnhealthy::Restart);
    let ill = fleet.with("a", |i| away(timed_out(3)(i)));
    assert_snapshot!(ill.plan(), @"nothing to do");
    let counted = Fleet::of(1).with("a", |i| away(ready(failed(1)(i)))).now(9000);
    assert_snapshot!(counted.plan(), @"nothing to do");
}

#[test]
fn rule_5_4_what_cannot_be_seen_takes_nobodys_place() {
    let away = |i: Instance| connected(i).lost_sight("away".to_owned(), at(5));
    let fleet = Fleet::of(1).change(|server| server.checks = None).with("a", connected).launch("v2");
    assert_snapshot!(fleet.with("b", away).plan(), @"
    rollout: 1 new, 1 old
    look again in 9m
    ");
}
