//! How an old revision gives way to a new one (behaviour 3.7, 5.4).

use std::time::Duration;

use insta::assert_snapshot;

use crate::decide::Rollout;
use crate::fixture::{Fleet, at, connected, failed, leaving, ready, revision, running, timed_out};
use crate::server::{CheckPolicy, Strategy};

fn recreate(fleet: Fleet) -> Fleet {
    fleet.change(|server| server.strategy = Strategy::Recreate)
}

#[test]
fn rule_5_4_rolling_begins_with_one_new_instance() {
    assert_snapshot!(Fleet::of(2).with("a", ready).with("b", ready).launch("v2").plan(), @"
    create: the revision changed, and the strategy is rolling
    rollout: 0 new, 2 old
    ");
}

#[test]
fn rule_5_4_no_old_instance_goes_before_the_new_one_is_ready() {
    let fleet = Fleet::of(2).with("a", ready).with("b", ready).launch("v2").with("c", connected);
    assert_snapshot!(fleet.plan(), @"
    rollout: 1 new, 2 old
    look again in 9m
    ");
}

#[test]
fn rule_5_4_once_the_new_one_is_ready_one_old_goes_and_nothing_is_made_meanwhile() {
    let fleet = Fleet::of(2).with("a", ready).with("b", ready).launch("v2").with("c", ready);
    assert_snapshot!(fleet.plan(), @"
    stop and remove b: its replacement is in service
    rollout: 1 new, 2 old
    ");
    let fleet = Fleet::of(2).with("a", ready).with("b", leaving).launch("v2").with("c", ready);
    assert_snapshot!(fleet.in_flight("b").plan(), @"
    rollout: 1 new, 1 old
    nothing to do
    ");
}

#[test]
fn rule_5_4_then_the_next_new_one_is_made() {
    assert_snapshot!(Fleet::of(2).with("a", ready).launch("v2").with("c", ready).plan(), @"
    create: the revision changed, and the strategy is rolling
    rollout: 1 new, 1 old
    ");
}

#[test]
fn rule_5_4_the_last_old_one_goes_once_all_new_ones_are_ready() {
    let fleet = Fleet::of(2).with("a", ready).launch("v2").with("c", ready).with("d", ready);
    assert_snapshot!(fleet.plan(), @"
    stop and remove a: its replacement is in service
    rollout: 2 new, 1 old
    ");
}

#[test]
fn rule_5_4_an_unhealthy_old_one_goes_before_a_healthy_old_one() {
    let fleet = Fleet::of(2).with("a", timed_out(3)).with("b", ready).launch("v2").with("c", ready);
    assert_snapshot!(fleet.plan(), @"
    stop and remove a: its replacement is in service
    rollout: 1 new, 2 old
    ");
}

#[test]
fn rule_5_4_recreate_stops_the_old_before_anything_new_is_made() {
    let fleet = recreate(Fleet::of(3).with("a", ready).with("b", failed(1)).launch("v2"));
    assert_snapshot!(fleet.plan(), @"
    stop and remove a: the revision changed, and the strategy is recreate
    rollout: 0 new, 1 old
    ");
    let fleet = recreate(Fleet::of(3).with("a", leaving).with("b", failed(1)).launch("v2")).in_flight("a");
    assert_snapshot!(fleet.plan(), @"nothing to do");
    let fleet = recreate(Fleet::of(3).with("b", failed(1)).launch("v2"));
    assert_snapshot!(fleet.plan(), @"
    create: 1 of 3 replicas exist
    create: 1 of 3 replicas exist
    refresh b: the launch fields or a secret changed
    ");
}

#[test]
fn rule_5_4_past_the_deadline_the_old_one_stays_and_the_rollout_is_stuck() {
    let fleet = || Fleet::of(1).with("a", ready).launch("v2").with("b", connected);
    assert_snapshot!(fleet().now(600).plan(), @"
    rollout: 1 new, 1 old
    look again in 1s
    ");
    assert_snapshot!(fleet().now(601).plan(), @"
    rollout: stuck at b
    nothing to do
    ");
}

#[test]
fn rule_5_4_a_rollout_whose_new_instance_cannot_start_is_stuck_too() {
    let fleet = Fleet::of(1).with("a", ready).launch("v2").with("b", failed(6)).now(601);
    assert_eq!(fleet.decide().rollout, Rollout::Stuck { instance: "b".into(), since: at(1) });
}

#[test]
fn rule_5_4_an_old_failure_does_not_make_a_young_rollout_stuck() {
    let refreshed = |instance| failed(1)(instance).begin_attempt(revision("v2"), at(9));
    let fleet = Fleet::of(2).with("a", ready).with("b", refreshed).in_flight("b").launch("v2");
    let fleet = fleet.change(|server| server.progress_deadline = Duration::from_secs(8));
    assert_snapshot!(fleet.with("c", connected).now(9).plan(), @"
    rollout: 2 new, 1 old
    look again in 1s
    ");
}

#[test]
fn rule_5_4_growing_during_a_rollout_fills_every_slot() {
    let fleet = Fleet::of(1).with("a", ready).launch("v2").change(|server| server.replicas = 3);
    assert_snapshot!(fleet.plan(), @"
    create: 1 of 3 replicas exist
    create: 1 of 3 replicas exist
    create: 1 of 3 replicas exist
    rollout: 0 new, 1 old
    ");
}

#[test]
fn rule_5_4_a_newer_revision_replaces_the_stuck_one() {
    let running = Fleet::of(1).with("a", ready).launch("v2").with("b", connected).launch("v3");
    assert_snapshot!(running.plan(), @"
    stop and remove b: 1 wanted, 2 there
    rollout: 0 new, 2 old
    ");
    let in_error = Fleet::of(1).with("a", ready).launch("v2").with("b", failed(2)).launch("v3");
    assert_snapshot!(in_error.plan(), @"
    stop and remove b: 1 wanted, 2 there
    rollout: 0 new, 1 old
    ");
}

#[test]
fn rule_5_4_going_back_to_the_old_revision_removes_the_new_one() {
    let fleet = Fleet::of(1).with("a", ready).launch("v2").with("b", failed(2)).launch("v1");
    assert_snapshot!(fleet.plan(), @"stop and remove b: 1 wanted, 2 there");
}

#[test]
fn rule_5_4_without_checks_a_connection_is_all_a_rollout_can_wait_for() {
    let fleet = || Fleet::of(1).change(|server| server.checks = None).with("a", connected).launch("v2");
    assert_snapshot!(fleet().with("b", running).plan(), @"
    rollout: 1 new, 1 old
    look again in 9m
    ");
    assert_snapshot!(fleet().with("b", connected).plan(), @"
    stop and remove a: its replacement is in service
    rollout: 1 new, 1 old
    ");
}

#[test]
fn rule_5_4_shrinking_during_a_rollout_stops_the_old_first() {
    let fleet = Fleet::of(2).with("a", ready).with("b", ready).launch("v2").with("c", connected);
    assert_snapshot!(fleet.change(|server| server.replicas = 1).plan(), @"
    stop and remove b: 1 wanted, 3 there
    rollout: 1 new, 2 old
    look again in 9m
    ");
}

#[test]
fn rule_5_4_switching_off_during_a_rollout_does_not_speak_of_replacements() {
    let fleet = Fleet::of(1).with("a", ready).launch("v2").with("b", ready);
    assert_snapshot!(fleet.change(|server| server.replicas = 0).plan(), @"
    stop and remove a: 0 wanted, 2 there
    stop and remove b: 0 wanted, 2 there
    rollout: 1 new, 1 old
    ");
    let fleet = recreate(Fleet::of(1).with("a", ready).launch("v2"));
    assert_snapshot!(fleet.change(|server| server.replicas = 0).plan(), @"
    stop and remove a: 0 wanted, 1 there
    rollout: 0 new, 1 old
    ");
}

#[test]
fn rule_5_4_a_changed_health_check_rolls_nothing() {
    let interval = Duration::from_secs(5);
    let fleet = Fleet::of(1).with("a", ready);
    let fleet =
        fleet.change(|server| server.checks = Some(CheckPolicy { interval, ..CheckPolicy::default() }));
    assert_snapshot!(fleet.plan(), @"nothing to do");
}

#[test]
fn rule_3_7_a_changed_secret_rolls_what_uses_it() {
    let fleet = Fleet::of(1).with("a", ready);
    let fleet = fleet.change(|server| server.revision.secrets = Some("s2".to_owned()));
    assert_snapshot!(fleet.plan(), @"
    create: the revision changed, and the strategy is rolling
    rollout: 0 new, 1 old
    ");
}

#[test]
fn rule_3_7_a_secret_that_cannot_be_read_now_rolls_nothing() {
    let fleet = Fleet::of(1).with("a", ready).change(|server| server.revision.secrets = None);
    assert_snapshot!(fleet.plan(), @"nothing to do");
}
