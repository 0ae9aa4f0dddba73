//! The rules of behaviour.md about checks, seen on the real probes through real connections, in paused time.

use std::time::Duration;

use mcpd_core::check::{FailureKind, Inconclusive, Verdict};
use mcpd_core::health::HealthStatus;
use mcpd_core::instance::Instance;
use mcpd_core::time::between;
use mcpd_mcp::Caller;
use serde_json::json;
use tokio::time::Instant;

use super::NotChecked;
use crate::driver::test_support::{Bench, has_event, last_event};
use crate::runtime::Exit;
use crate::runtime::fake::{Greeting, OnCall, OnStart};

fn is(status: HealthStatus) -> impl Fn(&Instance) -> bool {
    move |instance| instance.health.status() == Some(status)
}

/// When the checks of a server called their tool, in milliseconds since the first call.
fn calls_ms(bench: &Bench) -> Vec<u128> {
    let at: Vec<Instant> = bench.runtime.received("tools/call").iter().map(|call| call.at).collect();
    at.iter().map(|call| (*call - at[0]).as_millis()).collect()
}

#[tokio::test(start_paused = true)]
async fn rule_6_1_and_6_11_the_first_check_is_due_when_connected() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"tool": "whoami"}})).await;
    bench.until_ready("demo", 1).await;
    let (instance, check) = (bench.only("demo"), bench.cell("demo").last_check().unwrap());
    assert_eq!(check.at, instance.connected_since().unwrap());
    assert_eq!(
        (check.probe.as_str(), check.verdict, check.message.as_str()),
        ("tool-call", Verdict::Pass, "ok")
    );
    assert_eq!(check.calls[0].tool.as_deref(), Some("whoami"));
}

#[tokio::test(start_paused = true)]
async fn rule_6_4_initial_delay_counts_from_connected() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"initialDelaySeconds": 7}})).await;
    bench.until_ready("demo", 1).await;
    let connected = bench.only("demo").connected_since().unwrap();
    assert_eq!(between(connected, bench.cell("demo").last_check().unwrap().at).as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn rule_6_1_one_that_does_not_connect_fails_after_startup_seconds_and_not_before() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.greeting = Greeting::Silent);
    bench.apply("demo", json!({})).await;
    bench.until_some("demo", |i| i.status() == "RUNNING").await;
    let started = bench.now();
    let refused = bench.context.checks.check_now(&bench.cell("demo")).await.unwrap_err();
    assert!(refused.to_string().contains("is not connected yet"), "{refused}");
    assert!(bench.cell("demo").checks().is_empty());
    bench.until_some("demo", is(HealthStatus::Degraded)).await;
    assert_eq!(between(started, bench.now()).as_secs(), 60);
    let check = bench.cell("demo").last_check().unwrap();
    assert_eq!(check.verdict, Verdict::Failure(FailureKind::Transport));
    assert_eq!(check.message, "not connected within 60s: the server has not answered yet");
    bench.until_some("demo", is(HealthStatus::Unhealthy)).await;
}

#[tokio::test(start_paused = true)]
async fn rule_6_6_and_6_7_failures_in_the_servers_words_make_degraded_and_then_unhealthy_and_a_pass_mends() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"tool": "get_me", "failureThreshold": 3}})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.tool("demo", "get_me", OnCall::ToolError("token is required"));
    bench.until_some("demo", is(HealthStatus::Degraded)).await;
    assert!(bench.only("demo").is_ready(), "one failure is not the end");
    bench.until_some("demo", is(HealthStatus::Unhealthy)).await;
    let instance = bench.only("demo");
    assert_eq!((instance.health.failures(), instance.health.message()), (3, "token is required"));
    assert!(!instance.is_ready() && !instance.conditions.is_verified());
    assert_eq!(last_event(&instance), "Warning HealthCheckFailed: Health check failed: token is required");
    bench.runtime.tool("demo", "get_me", OnCall::RpcError("who are you"));
    bench.until_some("demo", |i| i.health.message() == "who are you").await;
    assert_eq!(bench.cell("demo").last_check().unwrap().verdict, Verdict::Failure(FailureKind::Rpc));
    bench.runtime.tool("demo", "get_me", OnCall::Text("me"));
    bench.until_ready("demo", 1).await;
    assert_eq!(last_event(&bench.only("demo")), "Normal HealthCheckPassed: Health check passed");
}

#[tokio::test(start_paused = true)]
async fn rule_6_6_no_answer_in_time_is_a_failure_that_says_so() {
    let bench = Bench::boot().await;
    bench.runtime.tool("demo", "whoami", OnCall::Silent);
    bench.apply("demo", json!({"healthCheck": {"tool": "whoami"}})).await;
    bench.until_some("demo", is(HealthStatus::Degraded)).await;
    let check = bench.cell("demo").last_check().unwrap();
    assert_eq!(
        (check.verdict, check.message.as_str()),
        (Verdict::Failure(FailureKind::Timeout), "timed out after 10s")
    );
    assert_eq!(check.duration.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn rule_6_4_checks_stay_on_a_grid_and_what_is_missed_is_skipped() {
    let bench = Bench::boot().await;
    bench
        .apply("demo", json!({"healthCheck": {"tool": "whoami", "intervalSeconds": 1, "timeoutSeconds": 60}}))
        .await;
    bench.until_ready("demo", 1).await;
    bench.pass(Duration::from_secs(5)).await;
    bench.runtime.tool("demo", "whoami", OnCall::After(Duration::from_millis(2500)));
    bench.pass(Duration::from_secs(10)).await;
    let calls = calls_ms(&bench);
    let gaps: Vec<u128> = calls.windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| gap % 1000 <= 2 || gap % 1000 >= 998), "on the grid: {gaps:?}");
    assert!(gaps.iter().all(|gap| *gap < 3100), "{gaps:?}");
    assert!(
        gaps.contains(&3000) || gaps.contains(&2999) || gaps.contains(&3001),
        "two were missed: {gaps:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn rule_6_11_the_checks_of_a_fleet_are_spread_over_their_interval() {
    let bench = Bench::boot().await;
    bench
        .apply("demo", json!({"replicas": 10, "healthCheck": {"tool": "whoami", "intervalSeconds": 60}}))
        .await;
    bench.until_ready("demo", 10).await;
    let before = Instant::now();
    bench.pass(Duration::from_mins(1)).await;
    let calls = bench.runtime.received("tools/call");
    let mut seconds: Vec<_> =
        calls.iter().filter(|call| call.at > before).map(|call| (call.at - before).as_secs() / 10).collect();
    assert_eq!(seconds.len(), 10);
    seconds.dedup();
    assert!(seconds.len() >= 4, "not in one heap: {seconds:?}");
}

#[tokio::test(start_paused = true)]
async fn rule_6_11_a_slow_server_delays_no_other_and_two_checks_of_one_never_overlap() {
    let bench = Bench::boot().await;
    let check = json!({"tool": "whoami", "intervalSeconds": 2, "timeoutSeconds": 60});
    bench.runtime.tool("slow", "whoami", OnCall::After(Duration::from_secs(30)));
    bench.apply("slow", json!({"healthCheck": check})).await;
    bench.apply("fast", json!({"healthCheck": check})).await;
    bench.until_ready("fast", 1).await;
    bench.pass(Duration::from_secs(20)).await;
    assert!(bench.cell("fast").checks().len() >= 10);
    assert!(bench.cell("slow").checks().is_empty());
    let in_flight = bench.cell("slow").connection().unwrap().in_flight();
    assert_eq!(in_flight.checks, 1);
}

#[tokio::test(start_paused = true)]
async fn rule_6_9_a_verdict_expires_when_nothing_conclusive_follows() {
    let bench = Bench::boot().await;
    let check = json!({"tool": "whoami", "intervalSeconds": 10, "timeoutSeconds": 5});
    bench.apply("demo", json!({"healthCheck": check})).await;
    bench.until_ready("demo", 1).await;
    // One check that never ends: nothing is heard, and nothing is claimed any more.
    let cell = bench.cell("demo");
    let _gate = cell.check_gate.lock().await;
    let last = cell.last_check().unwrap().at;
    bench.until_some("demo", is(HealthStatus::Unknown)).await;
    assert_eq!(between(last, bench.now()).as_secs(), 35);
    let instance = bench.only("demo");
    assert_eq!(instance.health.reason(), "Expired");
    assert!(!instance.is_ready() && !instance.conditions.is_verified());
}

#[tokio::test(start_paused = true)]
async fn rule_5_4_a_changed_health_check_applies_in_place_and_at_once() {
    let bench = Bench::boot().await;
    bench.runtime.tool("demo", "get_me", OnCall::ToolError("token is required"));
    bench.apply("demo", json!({"healthCheck": {"intervalSeconds": 3600}})).await;
    bench.until_ready("demo", 1).await;
    let before = bench.only("demo");
    bench
        .apply(
            "demo",
            json!({"healthCheck": {"tool": "get_me", "failureThreshold": 1, "intervalSeconds": 3600}}),
        )
        .await;
    let now = bench.now();
    assert_eq!(bench.only("demo").health.reason(), "CheckChanged");
    assert!(!bench.only("demo").is_ready(), "what another check found proves nothing");
    bench.until_some("demo", is(HealthStatus::Unhealthy)).await;
    assert_eq!(between(now, bench.now()).as_secs(), 0);
    assert_eq!((bench.only("demo").id, bench.runtime.asked("demo").len()), (before.id, 1));
}

#[tokio::test(start_paused = true)]
async fn rule_5_4_a_check_under_way_neither_delays_nor_speaks_for_the_changed_one() {
    let bench = Bench::boot().await;
    bench.runtime.tool("demo", "old", OnCall::After(Duration::from_secs(20)));
    bench
        .apply("demo", json!({"healthCheck": {"tool": "old", "intervalSeconds": 3600, "timeoutSeconds": 60}}))
        .await;
    bench.until(|b| b.runtime.received("tools/call").len() == 1).await;
    bench.runtime.tool("demo", "new", OnCall::ToolError("broken"));
    bench
        .apply(
            "demo",
            json!({"healthCheck": {"tool": "new", "intervalSeconds": 3600, "failureThreshold": 1}}),
        )
        .await;
    let now = bench.now();
    bench.until_some("demo", is(HealthStatus::Unhealthy)).await;
    assert_eq!(
        between(now, bench.now()).as_secs(),
        20,
        "as soon as the connection is not held by the old one"
    );
    assert!(!has_event(&bench.only("demo"), "HealthCheckPassed", ""));
}

#[tokio::test(start_paused = true)]
async fn rule_6_1_a_check_that_is_disabled_in_place_stops_and_says_so() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"tool": "whoami", "intervalSeconds": 1}})).await;
    bench.until_ready("demo", 1).await;
    bench.apply("demo", json!({"healthCheck": {"disabled": true}})).await;
    let calls = bench.runtime.received("tools/call").len();
    bench.pass(Duration::from_secs(30)).await;
    assert_eq!(bench.runtime.received("tools/call").len(), calls);
    let refused = bench.context.checks.check_now(&bench.cell("demo")).await.unwrap_err();
    assert!(matches!(refused, NotChecked::Disabled { .. }));
    bench.apply("demo", json!({"healthCheck": {"tool": "whoami"}})).await;
    bench.until_ready("demo", 1).await;
}

#[tokio::test(start_paused = true)]
async fn rule_6_8_a_timeout_while_a_client_keeps_the_server_busy_is_neither_green_nor_red() {
    let bench = Bench::boot().await;
    let check = json!({"tool": "whoami", "intervalSeconds": 5, "timeoutSeconds": 2});
    bench.apply("demo", json!({"healthCheck": check})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.tool("demo", "long", OnCall::After(Duration::from_secs(30)));
    let connection = bench.cell("demo").connection().unwrap();
    let params = serde_json::value::to_raw_value(&json!({"name": "long", "arguments": {}})).unwrap();
    let call = connection.request(Caller::Client, "tools/call", Some(&params), Duration::from_mins(1));
    let busy = bench.until(|b| b.cell("demo").last_check().unwrap().verdict != Verdict::Pass);
    tokio::select! {
        _ = call => panic!("the check was not first"),
        () = busy => {}
    }
    let check = bench.cell("demo").last_check().unwrap();
    assert_eq!(check.verdict, Verdict::Inconclusive(Inconclusive::Busy));
    assert!(bench.only("demo").is_ready());
    assert!(has_event(&bench.only("demo"), "HealthCheckInconclusive", "kept the server busy"));
}

#[tokio::test(start_paused = true)]
async fn rule_6_8_a_missing_probe_never_makes_a_server_look_well_or_ill() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"probe": "gone", "intervalSeconds": 1}})).await;
    bench.until_some("demo", is(HealthStatus::Unknown)).await;
    bench.pass(Duration::from_secs(30)).await;
    let instance = bench.only("demo");
    assert_eq!((instance.health.status().unwrap(), instance.restarts), (HealthStatus::Unknown, 0));
    assert_eq!(instance.health.reason(), "ProbeError");
    assert_eq!(bench.cell("demo").last_check().unwrap().message, "no probe gone is loaded");
}

#[tokio::test(start_paused = true)]
async fn rule_6_10_the_last_twenty_are_kept_here_and_on_disk() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"tool": "whoami", "intervalSeconds": 1}})).await;
    bench.until_ready("demo", 1).await;
    bench.pass(Duration::from_mins(1)).await;
    assert_eq!(bench.cell("demo").checks().len(), 20);
    let newest = bench.cell("demo").last_check().unwrap().at;
    let bench = bench.crash().await;
    let checks = bench.context.store.list_checks(&bench.only("demo").id).await.unwrap();
    assert_eq!((checks.len(), checks[0].at), (20, newest));
}

#[tokio::test(start_paused = true)]
async fn a_check_by_hand_waits_for_the_one_that_runs_and_is_folded_like_any_other() {
    let bench = Bench::boot().await;
    let check = json!({"tool": "whoami", "intervalSeconds": 3600, "timeoutSeconds": 60});
    bench.runtime.tool("demo", "whoami", OnCall::After(Duration::from_secs(5)));
    bench.apply("demo", json!({"healthCheck": check})).await;
    bench.until(|b| b.runtime.received("tools/call").len() == 1).await;
    let before = bench.now();
    let record = bench.context.checks.check_now(&bench.cell("demo")).await.unwrap();
    assert!(record.manual);
    assert_eq!(between(before, bench.now()).as_secs(), 10);
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("no"));
    bench.runtime.exit(&bench.only("demo").id, Exit::Code(1), "");
    bench.until_some("demo", |i| i.status() == "ERROR").await;
    let refused = bench.context.checks.check_now(&bench.cell("demo")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("instance {} is ERROR, and only a RUNNING one is checked", bench.only("demo").id)
    );
}

#[tokio::test(start_paused = true)]
async fn rule_6_11_one_that_comes_back_is_checked_at_once_and_of_those_that_are_gone_nothing_is_kept() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"tool": "whoami", "intervalSeconds": 3600}})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.exit(&bench.only("demo").id, Exit::Code(1), "");
    bench.until(|b| b.runtime.asked("demo").len() == 2 && b.ready("demo") == 1).await;
    assert_eq!(bench.runtime.received("tools/call").len(), 2);
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("no"));
    bench.runtime.exit(&bench.only("demo").id, Exit::Code(1), "");
    bench.until_some("demo", |i| i.status() == "ERROR").await;
    assert_eq!(bench.context.checks.watched(), 0);
}

#[tokio::test(start_paused = true)]
async fn rule_6_12_health_restarts_nothing_by_itself_and_where_asked_one_replica_at_a_time() {
    let bench = Bench::boot().await;
    let check = json!({"tool": "whoami", "intervalSeconds": 5, "timeoutSeconds": 1, "failureThreshold": 2});
    bench.apply("demo", json!({"replicas": 2, "healthCheck": check})).await;
    bench.until_ready("demo", 2).await;
    bench.runtime.tool("demo", "whoami", OnCall::Silent);
    bench.until(|b| b.instances("demo").iter().all(is(HealthStatus::Unhealthy))).await;
    bench.pass(Duration::from_mins(5)).await;
    assert_eq!(bench.runtime.asked("demo").len(), 2);
    bench.apply("demo", json!({"replicas": 2, "healthCheck": check, "onUnhealthy": "restart"})).await;
    bench
        .until(|b| {
            let away = b.instances("demo").iter().filter(|i| i.running().is_none()).count();
            assert!(away <= 1, "one replica at a time");
            b.instances("demo").iter().all(|i| i.restarts >= 1)
        })
        .await;
    for instance in bench.instances("demo") {
        assert!(has_event(&instance, "Stopping", "onUnhealthy is restart"), "{:#?}", instance.events);
        assert!(instance.attempts.count >= 1, "a failed attempt on the schedule");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_6_12_a_wrong_token_is_not_mended_by_a_restart() {
    let bench = Bench::boot().await;
    bench.runtime.tool("demo", "whoami", OnCall::ToolError("token is required"));
    let check = json!({"tool": "whoami", "intervalSeconds": 1});
    bench.apply("demo", json!({"healthCheck": check, "onUnhealthy": "restart"})).await;
    bench.until_some("demo", is(HealthStatus::Unhealthy)).await;
    bench.pass(Duration::from_mins(5)).await;
    assert_eq!((bench.runtime.asked("demo").len(), bench.only("demo").restarts), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn rule_3_6_a_secret_that_the_server_escapes_is_in_no_word_of_a_check() {
    let bench = Bench::boot().await;
    bench.put_secret("creds", "s3cr&t<v>alue9").await;
    // A server in Go that tells its configuration as JSON in a text.
    let words = r#"refused: {"token":"s3cr\u0026t\u003cv\u003ealue9"}"#;
    bench.runtime.tool("demo", "whoami", OnCall::ToolError(words));
    let source = json!({"secretRef": {"name": "creds", "key": "token"}});
    let env = json!([{"name": "TOKEN", "valueFrom": source}]);
    bench.apply("demo", json!({"env": env, "healthCheck": {"tool": "whoami"}})).await;
    bench.until_some("demo", is(HealthStatus::Degraded)).await;
    let check = bench.cell("demo").last_check().unwrap();
    assert_eq!(check.message, r#"refused: {"token":"•••"}"#);
    let record = serde_json::to_string(&check).unwrap();
    assert!(!record.contains("s3cr") && !record.contains("alue9"), "{record}");
}
