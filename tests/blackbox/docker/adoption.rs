//! An mcpd that finds the containers of the one before it.

use serde_json::{Value, json};

use super::{ask, error, post, short};
use crate::harness::{
    Daemon, Dock, INSTANCE, Launch, OWNER, Place, SOON, contained, id, is_functional, label, secret,
    secret_env, until, with,
};

/// How the mcpd before ended.
#[derive(Clone, Copy, Debug)]
enum End {
    Stopped,
    Killed,
}

/// Ends it, and starts the next one.
async fn next(mut daemon: Daemon, end: End) -> Daemon {
    let place = std::sync::Arc::clone(&daemon.place);
    match end {
        End::Stopped => {
            assert!(daemon.stop().is_some_and(|ended| ended.success()), "{}", daemon.stderr.text());
            drop(daemon);
        }
        End::Killed => drop(daemon.kill()),
    }
    Launch::serve().start(&place).await
}

/// The instance as the next mcpd knows it: a check of the one before proves nothing.
async fn functional_again(daemon: &Daemon, before: &Value) -> Value {
    let server = before["server"].as_str().unwrap();
    let is_new = |view: &Value| is_functional(view) && view["lastHealthCheck"] != before["lastHealthCheck"];
    daemon.instance(server, is_new).await
}

#[tokio::test]
async fn what_runs_is_taken_over_with_a_fresh_handshake_and_never_restarted() {
    for end in [End::Stopped, End::Killed] {
        let Some(place) = Place::docked() else { return };
        let daemon = Launch::serve().start(&place).await;
        let server = with(contained("lasting", place.dock()), "env", secret_env("TOKEN", "creds"));
        daemon.apply(&[secret("creds", "hunter22-hunter22"), with(server, "replicas", json!(1))]).await;
        let before = daemon.instance("lasting", is_functional).await;
        let daemon = next(daemon, end).await;
        let after = functional_again(&daemon, &before).await;
        for field in ["id", "containerId", "restarts", "image"] {
            assert_eq!(before[field], after[field], "{end:?}: {field}");
        }
        assert_eq!(after["metadata"]["attemptCount"], 0, "{end:?}: {after:#}");
        assert_eq!(ask(&daemon, &after, "sessions").await, "2", "{end:?}: a handshake of its own");
        its_secrets_are_still_masked(&daemon, &after).await;
    }
}

async fn its_secrets_are_still_masked(daemon: &Daemon, view: &Value) {
    post(daemon, view, "say", json!({ "text": "it is hunter22-hunter22" })).await;
    let log = until("its words are in its log", SOON, async || {
        let log = daemon.ctl("logs lasting").await.done();
        log.contains("it is").then_some(log)
    });
    let log = log.await;
    assert!(!log.contains("hunter22-hunter22"), "{log}");
}

#[tokio::test]
async fn a_server_that_refuses_a_second_handshake_is_restarted_and_the_reason_is_told() {
    for how in ["error", "exit", "silent"] {
        let Some(place) = Place::docked() else { return };
        let daemon = Launch::serve().start(&place).await;
        let args = json!(["--second-initialize", how]);
        daemon.apply(&[with(contained("once", place.dock()), "args", args)]).await;
        let before = daemon.instance("once", is_functional).await;
        let daemon = next(daemon, End::Killed).await;
        let is_new = |view: &Value| {
            is_functional(view)
                && view["lastHealthCheck"] != before["lastHealthCheck"]
                && view["containerId"] != before["containerId"]
        };
        let after = daemon.instance("once", is_new).await;
        assert_eq!(id(&after), id(&before), "{how}: the same instance");
        assert!(says_why(&after), "{how}: {:#}", after["events"]);
        assert_eq!(after["metadata"]["attemptCount"], 0, "{how}: no failed attempt: {after:#}");
        assert_eq!(place.dock().owned().len(), 1, "{how}");
    }
}

fn says_why(view: &Value) -> bool {
    view["events"].to_string().contains("second handshake")
}

#[tokio::test]
async fn what_ended_while_nobody_watched_is_told_and_started_again() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("brief", place.dock()), contained("removed", place.dock())]).await;
    let brief = daemon.instance("brief", is_functional).await;
    let removed = daemon.instance("removed", is_functional).await;
    daemon.kill();
    place.dock().engine.docker(&["kill", short(&place.dock().container(&brief))]);
    place.dock().engine.docker(&["rm", "-f", short(&place.dock().container(&removed))]);
    let daemon = Launch::serve().start(&place).await;
    let brief = functional_again(&daemon, &brief).await;
    assert!(brief["events"].to_string().contains("exited with code 137"), "{:#}", brief["events"]);
    functional_again(&daemon, &removed).await;
    assert_eq!(place.dock().owned().len(), 2);
}

#[tokio::test]
async fn what_nobody_wants_goes_and_what_belongs_to_others_is_not_touched() {
    let Some(place) = Place::docked() else { return };
    let dock = place.dock();
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("wanted", dock)]).await;
    let wanted = daemon.instance("wanted", is_functional).await;
    let owner = label(&dock.container(&wanted), OWNER).unwrap().to_owned();
    let orphan = create(dock, &[(OWNER, &owner), (INSTANCE, "gone00"), ("mcpd.server", "gone")]);
    let other = create(dock, &[(OWNER, "another-mcpd"), (INSTANCE, "other0")]);
    let foreign = create(dock, &[]);
    let daemon = next(daemon, End::Killed).await;
    until("the orphan is removed", SOON, async || dock.engine.inspect(&[&orphan]).is_empty().then_some(()))
        .await;
    functional_again(&daemon, &wanted).await;
    assert_eq!(dock.engine.inspect(&[&other, &foreign]).len(), 2, "what is not ours stays");
}

/// A container that the test made, and that runs.
fn create(dock: &Dock, labels: &[(&str, &str)]) -> String {
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut words = vec!["run", "-d", "-i", "--network", &dock.network];
    words.extend(labels.iter().flat_map(|label| ["--label", label]));
    words.push(&dock.image.name);
    dock.engine.docker(&words)
}

#[tokio::test]
async fn a_secret_that_changed_meanwhile_replaces_the_container_that_holds_the_old_one() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    let server = with(contained("rolled", place.dock()), "env", secret_env("TOKEN", "creds"));
    daemon.apply(&[secret("creds", "hunter22-hunter22"), server]).await;
    let before = daemon.instance("rolled", is_functional).await;
    let daemon = next(daemon, End::Stopped).await;
    daemon.apply(&[secret("creds", "hunter33-hunter33")]).await;
    let is_after = |view: &Value| is_functional(view) && view["containerId"] != before["containerId"];
    let after = daemon.instance("rolled", is_after).await;
    assert_eq!(error(&after), "");
    until("the old one is gone", SOON, async || (place.dock().owned().len() == 1).then_some(())).await;
}
