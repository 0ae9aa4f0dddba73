//! Servers in containers of a real engine: what issue 3 wants to be shown.
//!
//! Where no engine answers these tests say that they are skipped. Each has a network of its own in it, by which
//! whatever it leaves is found and removed; those that restart or freeze the engine start one of their own.

mod adoption;
mod attach;
mod crashes;
mod engine_away;
mod faults;
mod node;
mod parallel;
mod people;
mod registry;
mod secrets;

use serde_json::{Value, json};

use crate::harness::{Answer, Daemon, id};

/// Calls a tool of an instance, Ready or not.
async fn post(daemon: &Daemon, instance: &Value, tool: &str, arguments: Value) -> Answer {
    let params = json!({ "name": tool, "arguments": arguments });
    let call =
        json!({ "method": "tools/call", "params": params, "instance": id(instance), "timeoutSeconds": 30 });
    daemon.post(&format!("/servers/{}/mcp", instance["server"].as_str().unwrap()), call).await
}

/// The text that a tool of an instance answers.
async fn ask(daemon: &Daemon, instance: &Value, tool: &str) -> String {
    let answer = post(daemon, instance, tool, json!({})).await;
    let text = answer.body["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{tool}: {answer:?}")).to_owned()
}

/// What the body of `/readyz` says of the engine. It stays 200, whatever the engine does: mcpd itself is well.
async fn engine_of_readyz(daemon: &Daemon) -> Value {
    let ready = daemon.send(daemon.bare(reqwest::Method::GET, "/readyz")).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let parts = ready.body["parts"].as_array().unwrap();
    let engine = parts.iter().find(|part| part["name"] == "runtime docker");
    engine.unwrap_or_else(|| panic!("no engine: {ready:?}")).clone()
}

/// The start of a container's id, as people and the host name of the container have it.
fn short(container: &Value) -> &str {
    &container["Id"].as_str().unwrap()[..12]
}

/// Error of the last attempt.
fn error(instance: &Value) -> &str {
    instance["metadata"]["error"].as_str().unwrap_or_default()
}
