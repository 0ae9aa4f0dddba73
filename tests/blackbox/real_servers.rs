//! Servers that nobody here wrote, from npm and `PyPI`, run by the manifests that people would write.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Daemon, condition, has_event, is_functional, is_healthy, is_skipped, message, secret, secret_env, with,
};

/// Where nothing was fetched before, npm and uv do it now.
const FETCHED: Duration = Duration::from_mins(2);

/// A port where nothing listens: it is below those that anybody gets without asking.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn server_everything_is_functional_by_its_echo() {
    if is_skipped("npx", "node") {
        return;
    }
    let daemon = Daemon::start().await;
    daemon.ctl("apply -f examples/everything.yaml").await.done();
    let view = daemon.instance_within(FETCHED, "everything", is_functional).await;
    assert_eq!(view["lastCheck"]["tool"], "echo");
    let said = daemon.ctl_words(&["call", "everything", "echo", r#"{"message":"hello"}"#], "").await.done();
    assert!(said.contains("hello"), "{said}");
}

#[tokio::test]
async fn mcp_grafana_without_grafana_runs_and_lists_and_fails_in_its_own_words() {
    if is_skipped("npx", "node") {
        return;
    }
    let daemon = Daemon::start().await;
    let listed = grafana();
    daemon.apply(&[secret("grafana-creds", "glsa_not-a-real-one"), listed.clone()]).await;
    let view = daemon.instance_within(FETCHED, "grafana", is_healthy).await;
    assert_eq!((condition(&view, "Ready"), &view["verified"]), ("True", &json!(false)));

    let check = json!({ "tool": "list_datasources", "intervalSeconds": 0.5 });
    daemon.apply(&[with(listed, "healthCheck", check)]).await;
    let view = daemon.instance("grafana", |view| view["healthStatus"] == "unhealthy").await;
    assert_eq!((view["status"].as_str(), condition(&view, "Ready")), (Some("RUNNING"), "False"));
    assert_eq!(message(&view), "Error: No response from Grafana server");
}

fn grafana() -> Value {
    let mut env = secret_env("GRAFANA_SERVICE_ACCOUNT_TOKEN", "grafana-creds");
    env.as_array_mut().unwrap().push(json!({ "name": "GRAFANA_URL", "value": NOWHERE }));
    json!({
        "kind": "server", "name": "grafana", "packageName": "@leval/mcp-grafana", "runtime": "node",
        "bin": "mcp-grafana", "env": env,
    })
}

#[tokio::test]
async fn gitea_mcp_is_not_started_without_its_secret_and_fails_loudly_with_an_empty_one() {
    if is_skipped("npx", "node") {
        return;
    }
    let daemon = Daemon::start().await;
    let host = json!({ "name": "GITEA_HOST", "value": NOWHERE });
    let mut env = secret_env("GITEA_ACCESS_TOKEN", "gitea-creds");
    env.as_array_mut().unwrap().push(host.clone());
    let missing = json!({ "kind": "server", "name": "gitea", "packageName": "gitea-mcp", "runtime": "node", "env": env });
    daemon.apply(std::slice::from_ref(&missing)).await;
    let view = daemon.instance("gitea", |view| view["status"] == "ERROR").await;
    assert!(view["metadata"]["error"].as_str().unwrap().starts_with("secret resolution failed: "));
    assert_eq!(view["pid"], Value::Null);
    let started: Vec<_> =
        daemon.place.processes().into_iter().filter(|process| process.pid != daemon.pid()).collect();
    assert!(started.is_empty(), "{started:#?}");
    assert!(!has_event(&view, "Started", ""), "{view:#}");

    let empty = json!([{ "name": "GITEA_ACCESS_TOKEN", "value": "" }, host]);
    daemon.apply(&[with(missing, "env", empty)]).await;
    let is_failed = |view: &Value| view["events"].to_string().contains("GITEA_ACCESS_TOKEN");
    let view =
        daemon.instance_within(FETCHED, "gitea", |view| view["status"] == "ERROR" && is_failed(view)).await;
    assert_eq!(view["metadata"]["attemptCount"], 1, "{view:#}");
}

#[tokio::test]
async fn mcp_server_time_is_functional() {
    if is_skipped("uvx", "python") {
        return;
    }
    let daemon = Daemon::start().await;
    daemon.ctl("apply -f examples/time.yaml").await.done();
    let view = daemon.instance_within(FETCHED, "time", is_functional).await;
    assert_eq!(view["lastCheck"]["tool"], "get_current_time");
}
