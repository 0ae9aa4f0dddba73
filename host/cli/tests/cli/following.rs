//! `logs`, `events` and `-w`.

use serde_json::{Value, json};

use crate::fake::{Fake, instance, items, seconds_ago};
use crate::run::mcpctl;

/// A stream of server-sent events with comments and names, as daemons send them.
fn stream(messages: &[Value]) -> String {
    let event = |message: &Value| format!(": keep-alive\n\nevent: change\nid: 1\ndata: {message}\n\n");
    messages.iter().map(event).collect()
}

#[tokio::test]
async fn logs_are_printed_as_they_are() {
    let fake = Fake::start().await;
    fake.json("GET /instances?server=demo", items(&[instance("k3v9x2", "demo")]));
    fake.text("GET /instances/k3v9x2/logs?tail=2&follow=true&previous=true", "one\r\ntwo\nthree");
    let ended = mcpctl(&fake, "logs demo --tail 2 -f --previous").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "one\ntwo\nthree\n"));
}

#[tokio::test]
async fn a_watch_shows_the_table_and_then_what_changed() {
    let fake = Fake::start().await;
    let known = instance("k3v9x2", "demo");
    let mut changed = known.clone();
    changed["healthStatus"] = json!("unhealthy");
    changed["ready"] = json!(false);
    changed["lastCheck"]["verdict"] = json!("failure");
    changed["lastCheck"]["message"] = json!("token is required");
    fake.json("GET /instances", items(std::slice::from_ref(&known)));
    let messages = [
        json!({"type": "instance", "object": known}),
        json!({"type": "synced"}),
        json!({"type": "instance", "object": changed}),
        json!({"type": "instanceGone", "object": "k3v9x2"}),
    ];
    fake.text("GET /watch", &stream(&messages));
    let ended = mcpctl(&fake, "get instances -w").await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    insta::assert_snapshot!(ended.stdout, @"
    ID      SERVER  STATUS   HEALTH     READY              CHECK             RESTARTS  NEXT RETRY  AGE
    k3v9x2  demo    RUNNING  healthy    yes                whoami ok 4m ago  0                     1m
    k3v9x2  demo    RUNNING  unhealthy  no                 token is required  0                     1m
    ");
}

#[tokio::test]
async fn events_are_listed_and_followed() {
    let fake = Fake::start().await;
    let event = |count: u32| {
        json!({"server": "demo", "instance": "k3v9x2", "type": "Warning", "reason": "HealthCheckFailed",
            "message": "Health check failed: token is required", "count": count, "timestamp": seconds_ago(90),
            "lastTimestamp": seconds_ago(260)})
    };
    let first = event(1);
    fake.json("GET /events?server=demo", items(std::slice::from_ref(&first)));
    fake.text("GET /events?server=demo&follow=true", &stream(&[first, event(2)]));
    let ended = mcpctl(&fake, "events demo -w").await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    insta::assert_snapshot!(ended.stdout, @"
    LAST SEEN  TYPE     REASON             OBJECT       MESSAGE
    4m         Warning  HealthCheckFailed  demo/k3v9x2  Health check failed: token is required
    4m         Warning  HealthCheckFailed  demo/k3v9x2  Health check failed: token is required (x2)
    ");
}

#[tokio::test]
async fn an_event_that_is_no_json_ends_the_watch_with_words() {
    let fake = Fake::start().await;
    fake.json("GET /servers", items(&[])).text("GET /watch", "data: nonsense\n\n");
    let ended = mcpctl(&fake, "get servers -w").await;
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.starts_with("error: an event is not understood"), "{}", ended.stderr);
}
