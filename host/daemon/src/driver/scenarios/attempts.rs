//! Start attempts: secrets, backoff, exits (behaviour 2, 3, 4 and 7.2).

use std::time::Duration;

use serde_json::{Value, json};

use crate::driver::test_support::{Bench, has_event, last_event, seconds, wait_of};
use crate::runtime::Exit;
use crate::runtime::fake::{Greeting, OnCall, OnStart};

/// A server that reads one secret.
fn with_secret(name: &str) -> Value {
    json!({"env": [{"name": "TOKEN", "valueFrom": {"secretRef": {"name": name, "key": "token"}}}]})
}

#[tokio::test(start_paused = true)]
async fn rule_2_1_an_instance_starts_connects_and_becomes_ready() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"tool": "whoami"}})).await;
    bench.until_ready("demo", 1).await;
    let instance = bench.only("demo");
    assert!(instance.conditions.is_verified());
    let words: Vec<_> = instance.events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(words, ["Created", "Started", "Connected", "HealthCheckPassed"]);
}

#[tokio::test(start_paused = true)]
async fn rule_2_1_and_2_3_an_exit_is_seen_at_once_and_health_is_unknown() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("no"));
    let before = bench.now();
    bench.runtime.exit(&bench.only("demo").id, Exit::Code(3), "last words");
    let instance = bench.until_instance("demo", |i| i.status() == "ERROR").await;
    assert_eq!(seconds(before, bench.now()), 0);
    assert_eq!(instance.health.status().unwrap().as_str(), "unknown");
    assert_eq!(instance.health.reason(), "NotRunning");
}

#[tokio::test(start_paused = true)]
async fn rule_3_2_without_its_secret_nothing_is_started_and_all_failures_are_named() {
    let bench = Bench::boot().await;
    let secret = |name: &str, key: &str| json!({"secretRef": {"name": name, "key": key}});
    bench.put_secret("there", "long-enough").await;
    bench
        .apply(
            "demo",
            json!({"env": [
                {"name": "A", "valueFrom": secret("gone", "token")},
                {"name": "B", "valueFrom": secret("there", "other")},
                {"name": "C", "valueFrom": secret("there", "token")},
            ]}),
        )
        .await;
    let instance = bench.until_instance("demo", |i| i.status() == "ERROR").await;
    let words = &instance.error().unwrap().message;
    assert!(words.starts_with("secret resolution failed: "), "{words}");
    for part in ["variable A: secret gone, key token", "variable B: secret there, key other"] {
        assert!(words.contains(part), "{words}");
    }
    assert!(!words.contains("variable C"), "{words}");
    assert_eq!(instance.attempts.count, 1);
    assert_eq!(bench.runtime.asked("demo").len(), 0);
}
