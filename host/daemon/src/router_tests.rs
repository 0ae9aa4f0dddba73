//! Which replica a client's call goes to, and what is said when it goes to none.

use std::time::Duration;

use mcpd_mcp::Answer;
use serde_json::json;

use super::RouteError;
use crate::driver::test_support::Bench;
use crate::runtime::Exit;
use crate::runtime::fake::{Attachments, Greeting, OnCall, OnStart};

/// Longer than any call of these tests takes.
const TIMEOUT: Duration = Duration::from_secs(5);

async fn list(bench: &Bench, instance: Option<&str>) -> Result<Answer, RouteError> {
    bench.router.call(&bench.server("demo"), instance, "tools/list", None, TIMEOUT).await
}

#[tokio::test(start_paused = true)]
async fn calls_go_to_one_ready_replica_after_the_other() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"replicas": 2, "healthCheck": {"tool": "whoami"}})).await;
    bench.until_ready("demo", 2).await;
    for _ in 0..4 {
        assert!(matches!(list(&bench, None).await, Ok(Answer::Result(_))));
    }
    let mut who: Vec<_> =
        bench.runtime.received("tools/list").iter().map(|call| call.instance.clone()).collect();
    who.sort();
    who.dedup();
    assert_eq!(who.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_to_a_replica_that_is_not_ready_unless_it_is_named() {
    let bench = Bench::boot().await;
    bench.runtime.tool("demo", "whoami", OnCall::ToolError("token is required"));
    bench.apply("demo", json!({"healthCheck": {"tool": "whoami", "failureThreshold": 1}})).await;
    bench.until(|b| b.instances("demo").iter().any(|i| i.health.failures() == 1)).await;
    let words = list(&bench, None).await.unwrap_err().to_string();
    assert!(words.starts_with("no replica of server demo is ready: "), "{words}");
    assert!(words.contains("token is required"), "{words}");
    let id = bench.only("demo").id;
    assert!(list(&bench, Some(id.as_str())).await.is_ok());
    assert!(matches!(list(&bench, Some("zzzzzz")).await, Err(RouteError::UnknownInstance { .. })));
}

#[tokio::test(start_paused = true)]
async fn while_its_engine_is_frozen_one_that_is_named_is_refused_at_once_with_the_words_of_why() {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.go_away("no answer to a ping", Attachments::Hang);
    bench.until_some("demo", |i| i.sight_lost().is_some()).await;
    let (id, before) = (bench.only("demo").id, bench.now());
    let words = list(&bench, Some(id.as_str())).await.unwrap_err().to_string();
    let expected = format!("whether instance {id} of server demo runs nobody knows now: no answer to a ping");
    assert_eq!((words, bench.now()), (expected, before));
}

#[tokio::test(start_paused = true)]
async fn an_instance_without_a_connection_is_named_with_its_status() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.greeting = Greeting::Silent);
    bench.apply("demo", json!({})).await;
    bench.until_some("demo", |i| i.status() == "RUNNING").await;
    let id = bench.only("demo").id;
    let words = list(&bench, Some(id.as_str())).await.unwrap_err().to_string();
    assert_eq!(words, format!("instance {id} of server demo is RUNNING and not connected"));
}

#[tokio::test(start_paused = true)]
async fn where_checks_are_disabled_being_connected_is_enough() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"disabled": true}})).await;
    bench.until_some("demo", |i| i.connected_since().is_some()).await;
    assert_eq!(bench.ready("demo"), 0);
    assert!(list(&bench, None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn rule_7_6_a_call_under_way_when_the_server_dies_ends_at_once_and_is_not_sent_again() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.tool("demo", "long", OnCall::Silent);
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("no"));
    let params = serde_json::value::to_raw_value(&json!({"name": "long", "arguments": {}})).unwrap();
    let server = bench.server("demo");
    let call = bench.router.call(&server, None, "tools/call", Some(&params), Duration::from_hours(1));
    let before = bench.now();
    let death = async {
        bench.until(|b| b.runtime.received("tools/call").len() == 1).await;
        bench.runtime.exit(&bench.only("demo").id, Exit::Code(1), "");
    };
    let (answer, ()) = tokio::join!(call, death);
    assert!(matches!(answer, Err(RouteError::Call { .. })));
    assert!(bench.now().duration_since(before).as_secs() < 1);
    assert_eq!(bench.runtime.received("tools/call").len(), 1);
}
