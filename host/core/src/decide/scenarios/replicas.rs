//! How many instances there are to be, and how they go (behaviour 5.1 to 5.3, 5.6).

use insta::assert_snapshot;

use crate::fixture::{Fleet, at, connected, exited, failed, leaving, moment, ready, running, timed_out};
use crate::instance::{AfterStop, Instance};
use crate::server::Wish;

fn unstoppable(instance: Instance) -> Instance {
    leaving(instance).stop_failed("permission denied".to_owned(), moment(at(0)))
}

fn restarting(instance: Instance) -> Instance {
    let error = instance.clone().start_failed("no".to_owned(), moment(at(0))).error().cloned().unwrap();
    ready(instance).stopping(AfterStop::Fail(error), "unhealthy", at(0))
}

#[test]
fn rule_5_1_a_fleet_that_is_as_it_should_be_gives_an_empty_plan() {
    assert_snapshot!(Fleet::of(2).with("a", ready).with("b", ready).plan(), @"nothing to do");
}

#[test]
fn rule_5_1_the_earliest_retry_wakes_the_next_pass() {
    assert_snapshot!(Fleet::of(2).with("a", failed(6)).with("b", failed(1)).plan(), @"look again in 21s");
}

#[test]
fn rule_5_2_too_few_instances_are_made_up_for() {
    assert_snapshot!(Fleet::of(3).with("a", ready).plan(), @"
    create: 1 of 3 replicas exist
    create: 1 of 3 replicas exist
    ");
}

#[test]
fn rule_5_2_of_too_many_the_one_in_error_goes_first() {
    assert_snapshot!(Fleet::of(2).with("a", timed_out(3)).with("b", failed(1)).with("c", ready).plan(), @"stop and remove b: 2 wanted, 3 there");
}

#[test]
fn rule_5_2_of_too_many_running_ones_the_unhealthy_goes_first() {
    assert_snapshot!(Fleet::of(2).with("a", timed_out(3)).with("b", ready).with("c", ready).plan(), @"stop and remove a: 2 wanted, 3 there");
}

#[test]
fn rule_5_2_of_too_many_good_ones_the_newest_goes_first() {
    assert_snapshot!(Fleet::of(1).with("a", ready).with("b", ready).with("c", connected).plan(), @"
    stop and remove c: 1 wanted, 3 there
    stop and remove b: 1 wanted, 3 there
    ");
}

#[test]
fn rule_5_2_one_that_is_being_restarted_as_unhealthy_goes_before_a_good_one() {
    let fleet = Fleet::of(1).with("a", restarting).with("b", ready).in_flight("a");
    assert_snapshot!(fleet.plan(), @"stop and remove a: 1 wanted, 2 there");
}

#[test]
fn rule_5_2_replicas_0_stops_all_whatever_state_they_are_in() {
    let fleet = Fleet::of(0).with("a", ready).with("b", failed(2)).with("c", running).with("d", |i| i);
    assert_snapshot!(fleet.plan(), @"
    stop and remove b: 0 wanted, 4 there
    stop and remove d: 0 wanted, 4 there
    stop and remove c: 0 wanted, 4 there
    stop and remove a: 0 wanted, 4 there
    ");
}

#[test]
fn rule_5_2_a_deleted_instance_is_replaced_once_it_is_gone() {
    let fleet = Fleet::of(1).with("a", leaving).in_flight("a");
    assert_snapshot!(fleet.plan(), @"nothing to do");
    assert_snapshot!(Fleet::of(1).plan(), @"create: 0 of 1 replicas exist");
}

#[test]
fn rule_5_2_what_is_on_its_way_out_is_not_stopped_a_second_time_when_the_fleet_shrinks() {
    let fleet = Fleet::of(1).with("a", ready).with("b", leaving).in_flight("b");
    assert_snapshot!(fleet.plan(), @"nothing to do");
}

#[test]
fn rule_5_3_where_a_stop_failed_nothing_is_started_and_the_stop_is_tried_again() {
    assert_snapshot!(Fleet::of(1).with("a", unstoppable).now(10).plan(), @"look again in 20s");
    assert_snapshot!(Fleet::of(1).with("a", unstoppable).now(30).plan(), @"stop and remove a: it is not proved gone yet");
}

#[test]
fn rule_5_6_deleting_a_server_stops_all_its_instances() {
    let fleet = Fleet::of(3).with("a", ready).with("b", exited).with("c", |i| i).in_flight("c");
    assert_snapshot!(fleet.change(|server| server.wish = Wish::Delete).plan(), @"
    stop and remove a: the server was deleted
    stop and remove b: the server was deleted
    stop and remove c: the server was deleted
    ");
}

#[test]
fn rule_5_6_a_restart_under_way_becomes_a_removal_when_the_server_is_deleted() {
    let fleet = Fleet::of(1).with("a", restarting).in_flight("a");
    assert_snapshot!(fleet.change(|server| server.wish = Wish::Delete).plan(), @"stop and remove a: the server was deleted");
}

#[test]
fn rule_5_6_a_deleted_server_is_forgotten_only_once_its_instances_are_gone() {
    let fleet = Fleet::of(1).change(|server| server.wish = Wish::Delete);
    assert_snapshot!(fleet.plan(), @"forget the server: all its instances are gone");
    assert_snapshot!(fleet.with("a", unstoppable).plan(), @"look again in 20s");
}
