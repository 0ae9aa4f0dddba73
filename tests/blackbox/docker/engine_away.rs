//! An engine that is not there: told, waited for, and no reason for anything else to stop.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{engine_of_readyz, error};
use crate::harness::{
    Daemon, INSTANCE, Launch, OWNER, Place, PrivateEngine, SOON, condition, contained, hostile,
    is_functional, label, until, with,
};

/// What a person waits for a word, with a machine that is busy.
const PROMPT: Duration = Duration::from_secs(10);

/// A server in a container, and one that is a process of the host.
async fn both(daemon: &Daemon, place: &Place) -> Value {
    daemon.apply(&[contained("boxed", place.dock()), hostile("process", "plain")]).await;
    daemon.instance("process", is_functional).await;
    daemon.instance("boxed", is_functional).await
}

#[tokio::test]
async fn what_needs_an_engine_that_is_not_there_waits_for_it_and_nothing_else_does() {
    let Some(mut engine) = PrivateEngine::start(&[]).await else { return };
    let place = Place::on(&engine.engine());
    engine.stop().await;
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("boxed", place.dock()), hostile("process", "plain")]).await;
    daemon.instance("process", is_functional).await;
    let view = daemon.instance("boxed", |view| view["status"] == "ERROR").await;
    assert!(error(&view).contains("docker.sock"), "the engine is named: {view:#}");
    it_is_said_in_each_place(&daemon).await;
    engine.start_again().await;
    let back = daemon.instance("boxed", is_functional).await;
    assert_eq!(engine_of_readyz(&daemon).await["state"], "ok", "it answers again");
    assert!(back["metadata"]["attemptCount"].as_u64() >= Some(1), "the count is kept: {back:#}");
}

/// `/readyz` stays 200: mcpd itself is well (interfaces.md).
async fn it_is_said_in_each_place(daemon: &Daemon) {
    let engine = engine_of_readyz(daemon).await;
    assert_eq!(engine["state"], "failing", "{engine:#}");
    assert!(engine["message"].as_str().is_some_and(|words| words.contains("No such file")), "{engine:#}");
    let status = daemon.ctl("status").await.done();
    let row = status.lines().find(|line| line.starts_with("runtime docker")).unwrap_or_default();
    assert!(row.contains("failing"), "{status}");
    let why = daemon.ctl("why boxed").await.done();
    assert!(why.contains("engine"), "{why}");
}

#[tokio::test]
async fn a_delete_with_force_forgets_what_the_engine_cannot_be_asked_about_and_removes_it_later() {
    let Some(engine) = PrivateEngine::start(&[]).await else { return };
    let place = Place::on(&engine.engine());
    let daemon = Launch::serve().start(&place).await;
    let view = both(&daemon, &place).await;
    engine.freeze();
    daemon.instance("boxed", |view| condition(view, "Running") == "Unknown").await;
    let start = Instant::now();
    daemon.ctl("delete server boxed --force").await.done();
    until("it is forgotten", PROMPT, async || {
        let servers = daemon.ctl("get servers -o name").await.done();
        (servers == "server/process\n" && daemon.instances("boxed").await.is_empty()).then_some(())
    })
    .await;
    assert!(start.elapsed() < PROMPT, "it took {:?}", start.elapsed());
    engine.thaw();
    let id = view["containerId"].as_str().unwrap();
    until("its container is removed", SOON, async || {
        place.dock().engine.inspect(&[id]).is_empty().then_some(())
    })
    .await;
    daemon.instance("process", is_functional).await;
}

#[tokio::test]
async fn a_delete_without_force_waits_until_the_engine_can_prove_it_gone() {
    let Some(engine) = PrivateEngine::start(&[]).await else { return };
    let place = Place::on(&engine.engine());
    let daemon = Launch::serve().start(&place).await;
    let view = both(&daemon, &place).await;
    engine.freeze();
    daemon.instance("boxed", |view| condition(view, "Running") == "Unknown").await;
    daemon.ctl("delete server boxed --no-wait").await.done();
    assert_eq!(daemon.instances("boxed").await.len(), 1, "nothing is proved gone");
    engine.thaw();
    until("it is gone", SOON, async || daemon.instances("boxed").await.is_empty().then_some(())).await;
    let id = view["containerId"].as_str().unwrap();
    assert!(place.dock().engine.inspect(&[id]).is_empty());
}

#[tokio::test]
async fn mcpd_ends_in_order_although_the_engine_is_frozen_and_the_next_one_takes_over() {
    let Some(engine) = PrivateEngine::start(&[]).await else { return };
    let place = Place::on(&engine.engine());
    let mut daemon = Launch::serve().start(&place).await;
    let before = both(&daemon, &place).await;
    engine.freeze();
    assert!(daemon.stop().is_some_and(|ended| ended.success()), "{}", daemon.stderr.text());
    drop(daemon);
    let daemon = Launch::serve().start(&place).await;
    daemon.instance("process", is_functional).await;
    engine.thaw();
    let is_new = |view: &Value| is_functional(view) && view["lastHealthCheck"] != before["lastHealthCheck"];
    let after = daemon.instance("boxed", is_new).await;
    assert_eq!(after["containerId"], before["containerId"]);
}

#[tokio::test]
async fn containers_that_outlive_their_engine_are_attached_to_anew_and_not_restarted() {
    let Some(mut engine) = PrivateEngine::start(&["--live-restore"]).await else { return };
    let place = Place::on(&engine.engine());
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[with(contained("boxed", place.dock()), "replicas", json!(1))]).await;
    let before = daemon.instance("boxed", is_functional).await;
    engine.kill();
    let away = daemon.instance("boxed", |view| condition(view, "Running") == "Unknown").await;
    assert_eq!((&away["status"], &away["ready"]), (&json!("RUNNING"), &json!(false)), "{away:#}");
    engine.start_again().await;
    let is_new = |view: &Value| is_functional(view) && view["lastHealthCheck"] != before["lastHealthCheck"];
    let after = daemon.instance("boxed", is_new).await;
    assert_eq!((&after["containerId"], &after["restarts"]), (&before["containerId"], &json!(0)));
    assert_eq!(super::ask(&daemon, &after, "sessions").await, "2");
    assert!(!after["events"].to_string().contains("HealthCheckFailed"), "{:#}", after["events"]);
}

#[tokio::test]
async fn a_start_in_which_the_engine_fell_silent_is_taken_over_and_never_doubled() {
    let Some(engine) = PrivateEngine::start(&[]).await else { return };
    let place = Place::on(&engine.engine());
    let daemon = Launch::serve().variable("MCPD_BACKOFF_FAST_SECONDS", "1").start(&place).await;
    let servers = ["now", "soon", "later"].map(|name| contained(name, place.dock()));
    for (server, delay_ms) in servers.iter().zip([0, 100, 250]) {
        daemon.apply(std::slice::from_ref(server)).await;
        // Somewhere in the making of its container; wherever that is, the promise is the same.
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        engine.freeze();
        let name = server["name"].as_str().unwrap();
        daemon
            .instance(name, |view| view["status"] == "ERROR" || condition(view, "Running") == "Unknown")
            .await;
        engine.thaw();
        let view = daemon.instance(name, is_functional).await;
        assert_eq!(place.dock().container(&view)["Id"], view["containerId"]);
    }
    assert_eq!(place.dock().owned().len(), servers.len());
}

#[tokio::test]
async fn mcpd_and_the_engine_may_both_be_killed_and_everything_comes_back_once() {
    let Some(mut engine) = PrivateEngine::start(&[]).await else { return };
    let place = Place::on(&engine.engine());
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[with(contained("boxed", place.dock()), "replicas", json!(2))]).await;
    let all = async |daemon: &Daemon| {
        until("both replicas are functional", SOON, async || {
            let views = daemon.instances("boxed").await;
            (views.len() == 2 && views.iter().all(is_functional)).then_some(views)
        })
        .await
    };
    let before = all(&daemon).await;
    daemon.kill();
    engine.kill();
    let daemon = Launch::serve().start(&place).await;
    engine.start_again().await;
    for view in all(&daemon).await {
        assert!(before.iter().any(|old| old["id"] == view["id"]), "the same instances: {view:#}");
        assert_eq!(place.dock().container(&view)["Id"], view["containerId"]);
    }
    assert_eq!(place.dock().owned().len(), 2);
}

#[tokio::test]
async fn what_nobody_wants_goes_also_where_nothing_needs_the_engine_that_was_away() {
    let Some(mut engine) = PrivateEngine::start(&[]).await else { return };
    let place = Place::on(&engine.engine());
    let dock = place.dock();
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("boxed", dock)]).await;
    let view = daemon.instance("boxed", is_functional).await;
    let owner = format!("{OWNER}={}", label(&dock.container(&view), OWNER).unwrap());
    daemon.ctl("delete server boxed").await.done();
    daemon.kill();
    let instance = format!("{INSTANCE}=gone00");
    let words =
        ["create", "--network", &dock.network, "--label", &owner, "--label", &instance, &dock.image.name];
    let orphan = dock.engine.docker(&words);
    engine.stop().await;
    let daemon = Launch::serve().variable("MCPD_RECONCILE_SCAN_SECONDS", "1").start(&place).await;
    engine.start_again().await;
    until("the orphan is removed", SOON, async || dock.engine.inspect(&[&orphan]).is_empty().then_some(()))
        .await;
    assert_eq!(daemon.get("/instances").await.body["items"], json!([]));
}
