//! Servers that nobody here wrote, in an image with Node: the verdicts of a container are those of a process.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Launch, Place, condition, is_functional, is_healthy, is_skipped, message, secret, secret_env, with,
};

/// Where nothing was fetched before, npm does it now.
const FETCHED: Duration = Duration::from_mins(2);
/// A port where nothing listens, neither of this host nor of a container.
const NOWHERE: &str = "http://127.0.0.1:1";

/// The same server as a process and in a container.
fn pair(name: &str, package: &str, entry: &str, image: &str) -> [Value; 2] {
    let entry = format!("/app/node_modules/{package}/{entry}");
    let process = json!({ "kind": "server", "name": name, "packageName": package, "runtime": "node" });
    let boxed = json!({
        "kind": "server", "name": format!("{name}-boxed"), "dockerImage": image, "args": [entry],
    });
    [process, boxed]
}

/// What a check found, without what differs from one to the next.
fn verdict(view: &Value) -> Value {
    let check = &view["lastCheck"];
    json!({
        "status": view["status"], "health": view["healthStatus"], "verified": view["verified"],
        "ready": view["ready"], "verdict": check["verdict"], "kind": check["kind"], "message": message(view),
        "protocolVersion": view["protocolVersion"],
    })
}

#[tokio::test]
async fn server_everything_gives_the_verdict_that_it_gives_as_a_process() {
    let Some(place) = Place::docked() else { return };
    if is_skipped("npx", "node") {
        return;
    }
    let image = place.dock().node_image();
    let daemon = Launch::serve().start(&place).await;
    let check = json!({ "tool": "echo", "arguments": { "message": "hello" }, "intervalSeconds": 1 });
    let package = "@modelcontextprotocol/server-everything";
    let servers = pair("everything", package, "dist/index.js", image);
    daemon.apply(&servers.map(|server| with(server, "healthCheck", check.clone()))).await;
    let boxed = daemon.instance_within(FETCHED, "everything-boxed", is_functional).await;
    let process = daemon.instance_within(FETCHED, "everything", is_functional).await;
    assert_eq!(verdict(&boxed), verdict(&process));
    let said = daemon.ctl_words(&["call", "everything-boxed", "echo", r#"{"message":"hello"}"#], "").await;
    assert!(said.done().contains("hello"));
}

#[tokio::test]
async fn mcp_grafana_gives_the_verdicts_that_it_gives_as_a_process() {
    let Some(place) = Place::docked() else { return };
    if is_skipped("npx", "node") {
        return;
    }
    let image = place.dock().node_image();
    let daemon = Launch::serve().start(&place).await;
    let mut env = secret_env("GRAFANA_SERVICE_ACCOUNT_TOKEN", "grafana-creds");
    env.as_array_mut().unwrap().push(json!({ "name": "GRAFANA_URL", "value": NOWHERE }));
    let [process, boxed] = pair("grafana", "@leval/mcp-grafana", "dist/cli.js", image);
    let servers =
        [with(process, "bin", json!("mcp-grafana")), boxed].map(|server| with(server, "env", env.clone()));
    daemon.apply(&[secret("grafana-creds", "glsa_not-a-real-one")]).await;
    daemon.apply(&servers).await;
    let boxed = daemon.instance_within(FETCHED, "grafana-boxed", is_healthy).await;
    let process = daemon.instance_within(FETCHED, "grafana", is_healthy).await;
    assert_eq!(verdict(&boxed), verdict(&process));
    assert_eq!((condition(&boxed, "Ready"), &boxed["verified"]), ("True", &json!(false)));

    let check = json!({ "tool": "list_datasources", "intervalSeconds": 0.5 });
    daemon.apply(&servers.map(|server| with(server, "healthCheck", check.clone()))).await;
    let is_found_out = |view: &Value| view["healthStatus"] == "unhealthy";
    let boxed = daemon.instance("grafana-boxed", is_found_out).await;
    assert_eq!(verdict(&boxed), verdict(&daemon.instance("grafana", is_found_out).await));
    assert_eq!(message(&boxed), "Error: No response from Grafana server");
}

#[tokio::test]
async fn a_package_runs_in_the_runner_image_that_is_configured() {
    let Some(place) = Place::docked() else { return };
    if is_skipped("npx", "node") {
        return;
    }
    let image = place.dock().node_image();
    let launch = Launch::serve().variable("MCPD_NODE_RUNNER_IMAGE", image);
    let daemon = launch.start(&place).await;
    daemon.ctl("apply -f examples/everything.yaml").await.done();
    let view = daemon.instance("everything", is_functional).await;
    assert_eq!(view["image"], image);
    assert_eq!(place.dock().container(&view)["Id"], view["containerId"]);
}
