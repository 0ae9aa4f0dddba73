//! The case mcpd exists for: a server that lists its tools, and fails each real call because it has no token.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::{
    Daemon, Launch, Place, SOON, condition, has_event, hostile, id, is_functional, is_healthy, message,
    secret, secret_env, until, with,
};

/// Checks over which it must not look well once it was found out.
const WATCHED_CHECKS: usize = 8;

#[tokio::test]
async fn a_server_without_its_token_is_ready_unverified_until_a_real_call_finds_it_out() {
    let daemon = Daemon::start().await;
    let unchecked = with(hostile("gitea", "no-token"), "healthCheck", json!({ "intervalSeconds": 0.5 }));
    daemon.apply(std::slice::from_ref(&unchecked)).await;
    let before = daemon.instance("gitea", is_healthy).await;
    assert_eq!(
        (condition(&before, "Ready"), condition(&before, "Functional")),
        ("True", "False"),
        "{before:#}"
    );
    assert_eq!(before["verified"], false);
    let table = daemon.ctl("get instances").await.done();
    assert!(table.contains("yes (unverified)"), "{table}");

    let check = json!({ "tool": "get_me", "intervalSeconds": 0.2 });
    let checked = with(unchecked, "healthCheck", check);
    daemon.apply(std::slice::from_ref(&checked)).await;
    let found_out = daemon.instance("gitea", |view| view["healthStatus"] == "unhealthy").await;
    assert_eq!(message(&found_out), "token is required");
    assert_eq!(condition(&found_out, "Ready"), "False");
    assert!(has_event(&found_out, "HealthCheckFailed", "Health check failed: token is required"));
    for field in ["id", "pid", "restarts"] {
        assert_eq!(before[field], found_out[field], "a changed check applies in place: {field}");
    }
    it_stays_found_out(&daemon).await;
    assert_eq!(daemon.ctl("wait gitea --timeout 1s").await.code, 6);

    let mended = with(checked, "env", secret_env("TOKEN", "gitea-creds"));
    daemon.apply(&[secret("gitea-creds", "s3cret-token"), mended]).await;
    let mended = daemon.instance("gitea", is_functional).await;
    assert_ne!(id(&mended), id(&before), "a changed environment needs another process");
    daemon.ctl("wait gitea --for=condition=Functional").await.done();
}

#[tokio::test]
async fn a_changed_secret_replaces_the_process_that_holds_the_old_one() {
    let daemon = Launch::up("examples/quickstart.yaml").start(&Place::new()).await;
    daemon.apply(&[secret("demo-credentials", "not-the-token")]).await;
    let wrong = daemon.instance("demo-missing-secret", |view| view["healthStatus"] == "unhealthy").await;
    assert_eq!(message(&wrong), "token is required");
    daemon.ctl("apply -f examples/demo-secret.yaml").await.done();
    let right = daemon.instance("demo-missing-secret", is_functional).await;
    assert_ne!(right["pid"], wrong["pid"]);
    daemon.ctl("delete secret demo-credentials").await.done();
    let warned = daemon.get("/servers/demo-missing-secret").await.body["warnings"].to_string();
    assert!(warned.contains("demo-credentials"), "{warned}");
}

async fn it_stays_found_out(daemon: &Daemon) {
    let mut checks = BTreeSet::new();
    until("several more checks", SOON, async || {
        let view = daemon.instances("gitea").await.pop().unwrap();
        let shown = (&view["healthStatus"], &view["ready"], &view["verified"]);
        assert_eq!(shown, (&json!("unhealthy"), &json!(false), &json!(false)), "{view:#}");
        checks.insert(view["lastHealthCheck"].to_string());
        (checks.len() > WATCHED_CHECKS).then_some(())
    })
    .await;
}
