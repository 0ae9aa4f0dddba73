//! The conditions of an instance at each stage of its life (behaviour 2.4).

use std::fmt::Write as _;
use std::time::Duration;

use insta::assert_snapshot;

use super::*;
use crate::check::Verdict;
use crate::fixture::{
    at, check, checked, connected, exited, fresh, missing_secret, moment, ready, running, timed_out,
};

fn told(instance: &Instance) -> String {
    instance.conditions.iter().fold(String::new(), |mut text, condition| {
        let Condition { condition_type, status, reason, message, .. } = condition;
        let (subject, status) = (condition_type.as_str(), status.as_str());
        let line = format!("{subject} {status} {reason} {message}");
        writeln!(text, "{}", line.trim_end()).unwrap();
        text
    })
}

fn since(instance: &Instance, condition_type: ConditionType) -> Timestamp {
    instance.conditions.find(condition_type).unwrap().last_transition_at
}

#[test]
fn rule_2_4_nothing_is_claimed_of_a_new_instance() {
    assert_snapshot!(told(&fresh()), @"
    SecretsResolved Unknown NotStarted
    Running Unknown NotStarted
    Connected Unknown NotStarted
    Functional Unknown NotStarted
    Ready Unknown NotStarted
    ");
}

#[test]
fn rule_2_4_without_its_secrets_nothing_else_holds() {
    assert_snapshot!(told(&fresh().secrets_missing(&missing_secret(), moment(at(0)))), @"
    SecretsResolved False SecretsUnresolved secret resolution failed: variable TOKEN: secret demo-token, key token, backend sealed: secret not found
    Running False SecretsUnresolved secret resolution failed: variable TOKEN: secret demo-token, key token, backend sealed: secret not found
    Connected False NotRunning
    Functional Unknown NotRunning
    Ready False NotRunning secret resolution failed: variable TOKEN: secret demo-token, key token, backend sealed: secret not found
    ");
}

#[test]
fn rule_2_4_running_and_connected_are_not_ready() {
    assert_snapshot!(told(&running(fresh())), @"
    SecretsResolved True Resolved
    Running True Running
    Connected False Connecting
    Functional Unknown NotProven
    Ready False Connecting
    ");
    assert_snapshot!(told(&connected(fresh())), @"
    SecretsResolved True Resolved
    Running True Running
    Connected True Connected MCP 2025-11-25
    Functional Unknown NotProven
    Ready False NotChecked no check has run
    ");
}

#[test]
fn rule_2_4_a_real_call_proves_function_and_a_list_of_tools_does_not() {
    assert_snapshot!(told(&ready(fresh())), @"
    SecretsResolved True Resolved
    Running True Running
    Connected True Connected MCP 2025-11-25
    Functional True CheckPassed ok
    Ready True Ready
    ");
    let mut record = check(Verdict::Pass, "ok");
    record.calls[0].method = "tools/list".to_owned();
    assert_snapshot!(told(&checked(connected(fresh()), &record, at(0))), @"
    SecretsResolved True Resolved
    Running True Running
    Connected True Connected MCP 2025-11-25
    Functional False Unverified no real call was made
    Ready True Ready
    ");
}

#[test]
fn rule_2_4_unhealthy_is_neither_functional_nor_ready() {
    assert_snapshot!(told(&timed_out(3)(fresh())), @"
    SecretsResolved True Resolved
    Running True Running
    Connected True Connected MCP 2025-11-25
    Functional False CheckFailed timed out after 10s
    Ready False Unhealthy timed out after 10s
    ");
}

#[test]
fn rule_2_4_an_expired_proof_is_no_proof() {
    let instance = ready(fresh());
    let lifetime = Duration::from_secs(100);
    let health = instance.health.clone().expire(at(100), lifetime);
    assert_snapshot!(told(&instance.with_health(health, None, at(100))), @"
    SecretsResolved True Resolved
    Running True Running
    Connected True Connected MCP 2025-11-25
    Functional Unknown NotProven nothing conclusive for 100s
    Ready False NotProven nothing conclusive for 100s
    ");
}

#[test]
fn rule_2_4_a_broken_connection_is_not_ready_however_well_the_last_check_went() {
    let broken = ready(fresh()).disconnected("reset by peer".to_owned(), at(7));
    assert_snapshot!(told(&broken), @"
    SecretsResolved True Resolved
    Running True Running
    Connected False ConnectionFailed reset by peer
    Functional True CheckPassed ok
    Ready False ConnectionFailed reset by peer
    ");
    assert!(broken.connected("2025-11-25".to_owned(), at(8)).is_ready());
}

#[test]
fn rule_2_4_what_ran_and_ended_is_not_known_to_function() {
    assert_snapshot!(told(&exited(fresh())), @"
    SecretsResolved True Resolved
    Running False Exited exited with code 1
    Connected False NotRunning
    Functional Unknown NotRunning
    Ready False NotRunning exited with code 1
    ");
}

#[test]
fn the_time_of_a_condition_moves_only_when_its_status_does() {
    let instance = checked(ready(fresh()), &check(Verdict::Pass, "ok"), at(30));
    assert_eq!(since(&instance, ConditionType::Ready), at(0));
    let instance = instance.disconnected("reset".to_owned(), at(40));
    let instance = instance.disconnected("refused".to_owned(), at(50));
    assert_eq!(since(&instance, ConditionType::Ready), at(40));
    assert_eq!(since(&instance, ConditionType::Functional), at(0));
}
