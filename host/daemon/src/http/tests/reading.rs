//! What is shown of servers, instances, checks and the whole.

use std::sync::atomic::Ordering;

use axum::http::StatusCode;
use mcpd_core::check::{FailureKind, Verdict};
use serde_json::json;

use super::fixture::Fixture;
use crate::http::views::tests::{check, failed, ready, running};

async fn with_demo() -> Fixture {
    let fixture = Fixture::new();
    fixture.apply("", "kind: server\nname: demo\ncommand: [mcpd, demo-server]").await;
    fixture.engine.take_told();
    fixture
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_shown_with_everything_that_is_known_and_null_for_the_rest() {
    let fixture = with_demo().await;
    let cell = fixture.put(failed("a1", "secret resolution failed: variable TOKEN: …"));
    cell.push_check(std::sync::Arc::new(check(Verdict::Failure(FailureKind::Tool), "token is required")));
    let mut view = fixture.get("/api/v1/instances/a1").await.json();
    view["serverId"] = json!("[id]");
    insta::assert_json_snapshot!(view);
    assert_eq!(
        fixture.get("/api/v1/instances?server=demo").await.json()["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_monitor_sees_503_until_a_replica_is_ready() {
    let fixture = with_demo().await;
    fixture.put(failed("a1", "no such program"));
    let red = fixture.get("/api/v1/servers/demo/health").await;
    assert_eq!((red.status, &red.json()["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    let why = fixture.get("/api/v1/servers/demo/why").await.json();
    assert_eq!(why["sentence"], "demo is in ERROR after 1 failed attempt: no such program");
    assert!(why["next"].as_str().unwrap().starts_with("attempt 2 in"), "{why}");
    assert_eq!(why["nextAt"], "1970-01-01T00:00:30Z");
    fixture.put(ready("b2"));
    let green = fixture.get("/api/v1/servers/demo/health").await;
    assert_eq!((green.status, &green.json()["verified"]), (StatusCode::OK, &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn a_server_counts_its_replicas() {
    let fixture = with_demo().await;
    fixture.put(ready("a1"));
    let mut view = fixture.get("/api/v1/servers/demo").await.json();
    view["id"] = json!("[id]");
    insta::assert_json_snapshot!(view);
}

#[tokio::test(start_paused = true)]
async fn the_whole_is_shown_on_one_page() {
    let fixture = with_demo().await;
    fixture.put(ready("a1"));
    fixture.put(failed("b2", "no such program"));
    insta::assert_json_snapshot!(fixture.get("/api/v1/status").await.json());
    let parts = fixture.get("/readyz").await;
    assert_eq!((parts.status, &parts.json()["parts"][0]["state"]), (StatusCode::OK, &json!("ok")));
}

#[tokio::test(start_paused = true)]
async fn of_the_checks_that_are_asked_for_one_waits_and_not_for_ever() {
    const PATH: &str = "/api/v1/instances/a1/checks";
    let fixture = with_demo().await;
    let cell = fixture.put(failed("a1", "no such program"));
    let _under_way = cell.check_gate.lock().await;
    let (one, two, third) =
        tokio::join!(fixture.ask("POST", PATH, ""), fixture.ask("POST", PATH, ""), async {
            fixture.ask("POST", PATH, "").await
        });
    let words = [one, two, third].map(|reply| reply.words()).join("\n");
    insta::assert_snapshot!(words, @r"
    504 deadline_exceeded: instance a1 was not checked within 30s
    504 deadline_exceeded: instance a1 was not checked within 30s
    429 too_many_requests: a check of instance a1 that was asked for waits for its turn already
    ");
    assert_eq!(cell.checks_asked.available_permits(), 2);
}

#[tokio::test]
async fn a_check_where_checks_are_disabled_says_so() {
    let fixture = with_demo().await;
    let yaml = "kind: server\nname: demo\ncommand: [mcpd, demo-server]\nhealthCheck: {disabled: true}";
    fixture.apply("", yaml).await;
    fixture.put(failed("a1", "no such program"));
    insta::assert_snapshot!(fixture.ask("POST", "/api/v1/instances/a1/checks", "").await.words(), @"409 checks_disabled: the checks of server demo are disabled (healthCheck.disabled)");
}

#[tokio::test(start_paused = true)]
async fn a_check_is_run_now_or_refused_where_nothing_runs() {
    let fixture = with_demo().await;
    let cell = fixture.put(failed("a1", "no such program"));
    insta::assert_snapshot!(fixture.ask("POST", "/api/v1/instances/a1/checks", "").await.words(), @"409 instance_not_running: instance a1 is ERROR, and only a RUNNING one is checked");
    *fixture.engine.check.lock().unwrap() = Some(check(Verdict::Pass, "ok"));
    let reply = fixture.ask("POST", "/api/v1/instances/a1/checks", "").await;
    assert_eq!((reply.status, &reply.json()["verdict"]), (StatusCode::OK, &json!("pass")));
    for message in ["older", "newer"] {
        cell.push_check(std::sync::Arc::new(check(Verdict::Pass, message)));
    }
    let list = fixture.get("/api/v1/instances/a1/checks").await.json();
    assert_eq!(
        (&list["items"][0]["message"], &list["items"][1]["message"]),
        (&json!("newer"), &json!("older"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_deleted_by_the_engine() {
    let fixture = with_demo().await;
    fixture.put(running("a1"));
    assert_eq!(fixture.ask("DELETE", "/api/v1/instances/a1", "").await.status, StatusCode::ACCEPTED);
    assert_eq!(fixture.engine.take_told(), ["delete instance a1"]);
    fixture.engine.forgets_deletions.store(true, Ordering::Relaxed);
    let reply = fixture.ask("DELETE", "/api/v1/instances/a1", "").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "a crash would forget it");
}

#[tokio::test(start_paused = true)]
async fn events_of_the_store_and_of_living_instances_are_one_list() {
    let fixture = with_demo().await;
    let about = mcpd_core::event::EventDraft::normal("Created", "server made");
    let name = "demo".into();
    fixture.store.append_server_event(&name, &about, fixture.api.clock.now()).await.unwrap();
    fixture.put(failed("a1", "no such program"));
    let events = fixture.get("/api/v1/events?server=demo").await.json();
    let reasons: Vec<_> =
        events["items"].as_array().unwrap().iter().map(|event| event["reason"].clone()).collect();
    assert!(reasons.contains(&json!("Created")) && reasons.len() > 1, "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn the_built_in_backend_is_shown_first() {
    let fixture = Fixture::new();
    fixture.apply("", "{kind: secretbackend, name: env, type: env, config: {prefix: MCPD_SECRET_}}").await;
    let list = fixture.get("/api/v1/secretbackends").await.json();
    let shown = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["name"].clone(), item["health"]["ok"].clone()));
    assert_eq!(shown.collect::<Vec<_>>(), [(json!("sealed"), json!(true)), (json!("env"), json!(true))]);
    assert_eq!(list["items"][1]["config"], json!({"prefix": "MCPD_SECRET_"}));
}
