//! Faults of the engine: what runs in it is not known, and nothing else is touched.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::table::{Row, Took};
use super::watch;
use crate::docker::{engine_of_readyz, error, post};
use crate::harness::{
    Daemon, PrivateEngine, condition, contained, has_event, hostile, is_functional, is_healthy, with,
};

/// Issue 3.
const FROZEN: Duration = Duration::from_secs(20);
/// Between two calls of the load.
const CALL_EVERY: Duration = Duration::from_millis(10);
/// A client is told quickly that nothing can be said, instead of waiting for its own deadline.
const REFUSED_WITHIN: Duration = Duration::from_secs(2);

/// A server in a container, and a process of the host that must not notice anything.
async fn start(daemon: &Daemon, name: &str) -> Value {
    let often =
        json!({ "tool": "whoami", "intervalSeconds": 0.5, "timeoutSeconds": 1, "failureThreshold": 3 });
    let boxed = with(contained(name, daemon.place.dock()), "healthCheck", often);
    daemon.apply(&[boxed, hostile("neighbour", "plain")]).await;
    daemon.instance("neighbour", is_functional).await;
    daemon.instance(name, is_functional).await
}

fn is_away(view: &Value) -> bool {
    condition(view, "Running") == "Unknown"
}

/// What is shown of an instance whose engine is away; it is never red.
async fn shown_while_away(daemon: &Daemon, server: &str) -> String {
    let view = daemon.instances(server).await.pop().unwrap();
    assert_eq!((&view["status"], &view["ready"]), (&json!("RUNNING"), &json!(false)), "{view:#}");
    assert_ne!(condition(&view, "Ready"), "True");
    assert!(!has_event(&view, "HealthCheckFailed", ""), "{:#}", view["events"]);
    let conditions = view["conditions"].as_array().unwrap();
    let running = conditions.iter().find(|condition| condition["type"] == "Running").unwrap();
    let start = Instant::now();
    let call = json!({ "method": "tools/call", "params": { "name": "whoami" } });
    let answer = daemon.post(&format!("/servers/{server}/mcp"), call).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(start.elapsed() < REFUSED_WITHIN, "a client waited {:?}", start.elapsed());
    let engine = engine_of_readyz(daemon).await;
    assert_eq!(engine["state"], "failing", "{engine:#}");
    assert!(engine["message"].as_str().is_some_and(|words| words.contains("ran when it was seen last")));
    format!("RUNNING, Running and Ready Unknown ({}); calls get 503", running["reason"].as_str().unwrap())
}

async fn neighbour_noticed_nothing(daemon: &Daemon) {
    let view = daemon.instance("neighbour", is_healthy).await;
    assert!(!has_event(&view, "HealthCheckFailed", "") && view["restarts"] == 0, "{view:#}");
}

pub(super) async fn frozen(daemon: &Daemon, own: &PrivateEngine) -> Row {
    let before = start(daemon, "frozen").await;
    own.freeze();
    let start = Instant::now();
    let (_, noticed) = watch(daemon, "frozen", start, is_away).await;
    let shown = shown_while_away(daemon, "frozen").await;
    sleep(FROZEN.saturating_sub(start.elapsed())).await;
    assert_eq!(shown_while_away(daemon, "frozen").await, shown, "nor later");
    own.thaw();
    let is_back = |view: &Value| is_functional(view) && condition(view, "Running") == "True";
    let (back, back_after) = watch(daemon, "frozen", Instant::now(), is_back).await;
    assert_eq!((&back["containerId"], &back["restarts"]), (&before["containerId"], &json!(0)));
    assert!(!has_event(&back, "HealthCheckFailed", ""), "{:#}", back["events"]);
    neighbour_noticed_nothing(daemon).await;
    Row {
        fault: "the engine is frozen for 20 s",
        noticed: Took::once(noticed),
        shown,
        back: "the same container".to_owned(),
        back_after: Took::once(back_after),
    }
}

/// Its containers end with it. The load is what clients do meanwhile: each call gets an answer or an error.
pub(super) async fn restarted_under_load(daemon: &Daemon, own: &mut PrivateEngine) -> Row {
    let before = start(daemon, "loaded").await;
    let (is_over, answered) = (AtomicBool::new(false), AtomicU32::new(0));
    let load = async {
        while !is_over.load(Ordering::Relaxed) {
            let answer = post(daemon, &before, "whoami", json!({})).await;
            answered.fetch_add(u32::from(answer.status == 200), Ordering::Relaxed);
            sleep(CALL_EVERY).await;
        }
    };
    let restart = async {
        let start = Instant::now();
        let is_told = |view: &Value| is_away(view) || error(view).contains("does not answer");
        let told = watch(daemon, "loaded", start, is_told);
        let ((), (_, noticed)) = tokio::join!(own.stop(), told);
        own.start_again().await;
        let is_back = |view: &Value| is_functional(view) && view["containerId"] != before["containerId"];
        let (_, back_after) = watch(daemon, "loaded", Instant::now(), is_back).await;
        is_over.store(true, Ordering::Relaxed);
        (noticed, back_after)
    };
    let ((), (noticed, back_after)) = tokio::join!(load, restart);
    assert!(answered.load(Ordering::Relaxed) > 0, "there was no load");
    let back = daemon.instances("loaded").await.pop().unwrap();
    assert!(has_event(&back, "Exited", "exited with code"), "{:#}", back["events"]);
    neighbour_noticed_nothing(daemon).await;
    Row {
        fault: "the engine is restarted under load",
        noticed: Took::once(noticed),
        // An engine that ends may be gone before it has told the ends of its containers.
        shown: "RUNNING, Running and Ready Unknown, or ERROR where the exit was told first".to_owned(),
        back: "a new container".to_owned(),
        back_after: Took::once(back_after),
    }
}

/// `--live-restore`: its containers go on without it.
pub(super) async fn killed_and_containers_live_on(daemon: &Daemon, own: &mut PrivateEngine) -> Row {
    let before = start(daemon, "living-on").await;
    let start = Instant::now();
    own.kill();
    let (_, noticed) = watch(daemon, "living-on", start, is_away).await;
    let shown = shown_while_away(daemon, "living-on").await;
    own.start_again().await;
    let is_back = |view: &Value| is_functional(view) && condition(view, "Running") == "True";
    let (back, back_after) = watch(daemon, "living-on", Instant::now(), is_back).await;
    assert_eq!((&back["containerId"], &back["restarts"]), (&before["containerId"], &json!(0)));
    neighbour_noticed_nothing(daemon).await;
    Row {
        fault: "the engine is killed, and its containers live on (`--live-restore`)",
        noticed: Took::once(noticed),
        shown,
        back: "the same container, with a new connection".to_owned(),
        back_after: Took::once(back_after),
    }
}
