//! The first thing anybody does: `mcpd up -f examples/quickstart.yaml`.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::{Daemon, Launch, Place, SOON, condition, is_functional, message, until};

/// What the README promises, from the line that says where it listens.
const PROMISED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_quickstart_tells_the_truth_about_its_three_servers_and_a_secret_mends_the_third() {
    let daemon = Launch::up("examples/quickstart.yaml").start(&Place::new()).await;
    let start = Instant::now();
    let demo = daemon.instance("demo", is_functional).await;
    let wrong = daemon.instance("demo-wrong-token", |view| view["healthStatus"] == "unhealthy").await;
    let missing = daemon.instance("demo-missing-secret", |view| view["status"] == "ERROR").await;
    assert!(start.elapsed() < PROMISED, "it took {:?}", start.elapsed());

    assert_eq!(demo["status"], "RUNNING");
    assert_eq!((wrong["status"].as_str(), message(&wrong)), (Some("RUNNING"), "token is required"));
    assert_eq!((condition(&wrong, "Ready"), condition(&wrong, "Functional")), ("False", "False"));
    the_first_attempt_failed_loudly(&missing);
    the_lines_of_up_say_the_same(&daemon).await;

    let applied = daemon.ctl("apply -f examples/demo-secret.yaml").await.done();
    assert!(applied.contains("secret/demo-credentials created"), "{applied}");
    let mended = daemon.instance("demo-missing-secret", is_functional).await;
    assert!(is_before_next_attempt(&missing), "it waited for the backoff: {mended:#}");
    assert_eq!(mended["metadata"]["error"], Value::Null);
}

#[expect(clippy::disallowed_methods, reason = "times of views are those of the wall clock")]
fn is_before_next_attempt(view: &Value) -> bool {
    Timestamp::now() < time(view, "nextRetryAt")
}

#[tokio::test]
async fn up_starts_nothing_where_a_manifest_has_mistakes_and_tells_them_all() {
    let place = Place::new();
    let file = place.path().join("wrong.yaml");
    fs::write(
        &file,
        "kind: server\nname: A\nreplicas: 11\n---\nkind: server\nname: b\ncommand: [x]\nbanana: 1",
    )
    .unwrap();
    let mut daemon = Launch::up(file).spawn(&place);
    assert_eq!(daemon.ended().await.code(), Some(1));
    let words = daemon.stderr.text();
    for mistake in ["name: ", "replicas: ", "says not what to run", "document 2", "banana: unknown field"] {
        assert!(words.contains(mistake), "{mistake} is not in {words}");
    }
    assert!(!words.contains("listening on"), "{words}");
}

fn time(view: &Value, field: &str) -> Timestamp {
    view["metadata"][field].as_str().unwrap().parse().unwrap()
}

fn the_first_attempt_failed_loudly(view: &Value) {
    assert_eq!(view["metadata"]["attemptCount"], 1);
    let delay = time(view, "nextRetryAt").duration_since(time(view, "lastAttemptAt")).as_secs_f64();
    assert!((30.0..=33.0).contains(&delay), "{delay} s to the next attempt");
    let error = view["metadata"]["error"].as_str().unwrap();
    assert!(error.starts_with("secret resolution failed: "), "{error}");
    for word in ["DEMO_TOKEN", "demo-credentials", "token", "sealed"] {
        assert!(error.contains(word), "{word} is not in: {error}");
    }
    assert_eq!((&view["pid"], condition(view, "SecretsResolved")), (&Value::Null, "False"));
}

async fn the_lines_of_up_say_the_same(daemon: &Daemon) {
    let wanted = [
        "demo RUNNING healthy ready whoami ok",
        "demo-wrong-token RUNNING unhealthy not ready token is required",
        "demo-missing-secret ERROR not ready secret resolution failed",
    ];
    for line in wanted {
        until(line, SOON, async || is_printed(&daemon.stdout.text(), line).then_some(())).await;
    }
}

/// Whether a line begins so, however many blanks are between its columns.
fn is_printed(text: &str, line: &str) -> bool {
    text.lines().any(|printed| printed.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(line))
}
