//! Streams: what is there first, then each change, until mcpd ends.

use axum::body::{Body, BodyDataStream};
use futures::StreamExt as _;
use mcpd_core::event::EventDraft;
use serde_json::Value;

use super::fixture::Fixture;
use crate::http::views::tests::{failed, running};
use crate::state::Change;

struct Messages {
    data: BodyDataStream,
    rest: String,
}

impl Messages {
    async fn of(fixture: &Fixture, path: &str) -> Self {
        let response = fixture.send(Fixture::request("GET", path, Body::empty())).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { data: response.into_body().into_data_stream(), rest: String::new() }
    }

    /// The next message; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        while !self.rest.contains("\n\n") {
            self.rest += std::str::from_utf8(&self.data.next().await?.unwrap()).unwrap();
        }
        let (message, rest) =
            self.rest.split_once("\n\n").map(|(m, r)| (m.to_owned(), r.to_owned())).unwrap();
        self.rest = rest;
        Some(serde_json::from_str(message.strip_prefix("data: ").unwrap()).unwrap())
    }
}

async fn with_demo() -> Fixture {
    let fixture = Fixture::new();
    fixture.apply("", "kind: server\nname: demo\ncommand: [mcpd, demo-server]").await;
    fixture
}

#[tokio::test]
async fn a_watcher_sees_all_there_is_then_each_change_and_the_end() {
    let fixture = with_demo().await;
    fixture.put(failed("a1", "no such program"));
    let mut messages = Messages::of(&fixture, "/api/v1/watch").await;
    let mut types = Vec::new();
    for _ in 0..3 {
        types.push(messages.next().await.unwrap()["type"].clone());
    }
    assert_eq!(types, ["server", "instance", "synced"]);
    let cell = fixture.put(running("b2"));
    assert_eq!(messages.next().await.unwrap()["object"]["id"], "b2");
    let server = messages.next().await.unwrap();
    assert_eq!(server["object"]["currentReplicas"], 2, "its server looks otherwise too");
    fixture.engine.board.publish(Change::Instance(cell.id.clone()));
    assert_eq!(messages.next().await.unwrap()["type"], "instance", "its server looks as before");
    fixture.engine.board.remove_instance(&cell.id);
    assert_eq!(messages.next().await.unwrap(), serde_json::json!({"type": "instanceGone", "object": "b2"}));
    fixture.api.end.cancel();
    assert_eq!(messages.next().await, None);
}

#[tokio::test]
async fn a_follower_of_events_sees_each_once_and_repetitions_as_such() {
    let fixture = with_demo().await;
    let cell = fixture.put(failed("a1", "no such program"));
    let kept = cell.read(|instance| instance.events.iter().count());
    let mut messages = Messages::of(&fixture, "/api/v1/events?server=demo&follow=true").await;
    for _ in 0..kept {
        assert_eq!(messages.next().await.unwrap()["instance"], "a1");
    }
    for count in 1..=2 {
        let now = fixture.api.clock.now();
        cell.transition(
            now,
            |mut instance| {
                instance.events.push(EventDraft::warning("Again", "it happened"), now);
                instance
            },
            |_| (),
        );
        fixture.engine.board.publish(Change::Instance(cell.id.clone()));
        let event = messages.next().await.unwrap();
        assert_eq!((&event["reason"], &event["count"]), (&"Again".into(), &count.into()));
    }
}

#[tokio::test]
async fn a_log_is_lines_of_text() {
    let fixture = with_demo().await;
    fixture.put(running("a1"));
    assert_eq!(fixture.get("/api/v1/instances/a1/logs").await.text, "one\ntwo\nthree\n");
    assert_eq!(fixture.get("/api/v1/instances/a1/logs?tail=1").await.text, "three\n");
    assert_eq!(fixture.get("/api/v1/instances/a1/logs?previous=true").await.text, "before\n");
    let followed = fixture.get("/api/v1/instances/a1/logs?follow=true");
    let (followed, ()) = tokio::join!(followed, async { fixture.api.end.cancel() });
    assert!("one\ntwo\nthree\n".starts_with(&followed.text));
}
