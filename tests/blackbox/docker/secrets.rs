//! The value of a secret reaches the container that needs it, and appears nowhere else that mcpd writes.

use serde_json::json;

use super::post;
use crate::harness::{
    Launch, Place, SOON, contained, host_pid, id, label, message, secret, secret_env, until, with,
};
use crate::leaks::{CANARY, clean, nothing_on_disk_holds_it, nothing_that_mcpd_shows_holds_it};

#[tokio::test]
async fn a_secret_shows_nowhere_but_in_its_container() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().argument("--log").argument("trace").start(&place).await;
    let server = with(contained("blabber", place.dock()), "env", secret_env("TOKEN", "creds"));
    let check = json!({ "tool": "blab", "intervalSeconds": 0.2, "failureThreshold": 2 });
    daemon.apply(&[secret("creds", CANARY), with(server, "healthCheck", check)]).await;
    let view = daemon.instance("blabber", |view| view["healthStatus"] == "unhealthy").await;
    assert!(message(&view).starts_with("bad token "), "{view:#}");
    let container = place.dock().container(&view);
    assert!(container["Config"]["Env"].to_string().contains(CANARY), "it got there");
    assert_eq!(label(&container, "mcpd.secret-env"), Some("TOKEN"));
    clean("a label", &container["Config"]["Labels"].to_string());
    clean("its command line", &container["Args"].to_string());
    assert!(host_pid(&container) > 1);
    assert!(container["LogPath"].as_str().is_none_or(str::is_empty), "the engine writes nothing down");

    let logs = until("its words are in its log", SOON, async || {
        let logs = daemon.ctl("logs blabber").await.done();
        logs.contains("my token is").then_some(logs)
    });
    clean("the log of the server", &logs.await);
    nothing_that_mcpd_shows_holds_it(&daemon, id(&view)).await;
    post(&daemon, &view, "exit", json!({ "code": "3" })).await;
    daemon.instance("blabber", |view| view["events"].to_string().contains("exited with code 3")).await;
    nothing_that_mcpd_shows_holds_it(&daemon, id(&view)).await;
    nothing_on_disk_holds_it(&daemon);
    clean("the log of mcpd", &daemon.stderr.text());
    assert!(daemon.stderr.text().contains("DEBUG"), "the log was not as chatty as it can be");
}
