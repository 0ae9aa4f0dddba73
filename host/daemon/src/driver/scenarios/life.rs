//! Beginning and end of mcpd itself, and of the store under it (behaviour 5.7, 5.8).

use std::time::Duration;

use serde_json::json;

use crate::driver::test_support::{Bench, has_event, wait_of};
use crate::runtime::Exit;
use crate::runtime::fake::{Greeting, OnStart, OnStop};
use crate::store::Store as _;

#[tokio::test(start_paused = true)]
async fn rule_5_7_what_ran_when_mcpd_ended_is_started_again_at_once_and_counts_as_nothing() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"healthCheck": {"tool": "whoami"}})).await;
    bench.until_ready("demo", 1).await;
    let before = bench.only("demo");
    let bench = bench.crash().await;
    assert_eq!(bench.runtime.swept()[0].instance, before.id);
    assert_eq!(bench.runtime.swept()[0].handle.as_ref().unwrap().0, "run-1");
    let instance = bench.only("demo");
    assert_eq!(instance.health.status().unwrap().as_str(), "unknown");
    assert!(!instance.is_ready() && has_event(&instance, "Interrupted", ""));
    let now = bench.now();
    bench.until_ready("demo", 1).await;
    let instance = bench.only("demo");
    assert_eq!((instance.id, instance.attempts.count), (before.id, 0));
    assert_eq!(bench.now().duration_since(now).as_secs(), 0);
    assert!(!bench.cell("demo").checks().is_empty());
}

#[tokio::test(start_paused = true)]
async fn rule_4_8_counts_and_waits_survive_a_restart_of_mcpd() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("no"));
    bench.apply("demo", json!({})).await;
    bench.until_some("demo", |i| i.attempts.count == 6).await;
    let before = bench.only("demo");
    let bench = bench.crash().await;
    let after = bench.only("demo");
    assert_eq!((after.attempts.count, after.next_retry_at()), (6, before.next_retry_at()));
    bench.pass(Duration::from_secs(200)).await;
    assert!(
        bench.runtime.asked("demo").is_empty(),
        "it is left alone until {} s have passed",
        wait_of(&before)
    );
    bench.until_ready("demo", 1).await;
}

#[tokio::test(start_paused = true)]
async fn mcpd_that_ends_stops_all_and_writes_no_failed_attempt() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"replicas": 2})).await;
    bench.until_ready("demo", 2).await;
    bench.runtime.script("slow", |script| script.start = OnStart::RunsAfter(Duration::from_mins(5)));
    bench.apply("slow", json!({})).await;
    bench.until(|b| b.runtime.asked("slow").len() == 1).await;
    let (runtime, store) = bench.shut_down().await;
    assert!(runtime.running("demo").is_empty() && runtime.running("slow").is_empty());
    for row in store.list_instances().await.unwrap() {
        assert_eq!((row.instance.attempts.count, row.instance.error()), (0, None));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_lets_nothing_start_and_is_told_everything_once_it_is_back() {
    let bench = Bench::boot().await;
    bench.apply("there", json!({})).await;
    bench.until_ready("there", 1).await;
    bench.store.set_broken(true);
    bench.apply("demo", json!({})).await;
    bench.until_some("demo", |i| i.status() == "ERROR").await;
    assert!(bench.only("demo").error().unwrap().message.contains("the store does not answer"));
    assert!(bench.runtime.asked("demo").is_empty());
    bench.fleet.delete_instance(&bench.cell("there")).await;
    bench.pass(Duration::from_secs(5)).await;
    bench.store.set_broken(false);
    bench.until(|b| b.ready("demo") == 1 && b.ready("there") == 1).await;
    bench.context.ledger.flushed().await.unwrap();
    let rows = bench.store.list_instances().await.unwrap();
    let kept: Vec<_> = rows.iter().map(|row| (row.instance.id.clone(), row.instance.status())).collect();
    assert_eq!(kept, [(bench.only("demo").id, "RUNNING"), (bench.only("there").id, "RUNNING")]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_acknowledged_is_on_disk_and_one_that_is_not_is_not_acknowledged() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.script("demo", |script| script.stop = OnStop::Fails);
    let cell = bench.cell("demo");
    assert!(bench.fleet.delete_instance(&cell).await);
    assert_eq!(bench.store.list_instances().await.unwrap()[0].instance.status(), "STOPPING");
    bench.store.set_broken(true);
    assert!(!bench.fleet.delete_instance(&cell).await);
}

#[tokio::test(start_paused = true)]
async fn an_exit_is_on_disk_before_anything_else_happens() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.greeting = Greeting::Silent);
    bench.apply("demo", json!({})).await;
    bench.until_some("demo", |i| i.status() == "RUNNING").await;
    bench.pass(Duration::from_secs(1)).await;
    bench.runtime.exit(&bench.only("demo").id, Exit::Code(3), "");
    bench.until_some("demo", |i| i.status() == "ERROR").await;
    bench.pass(Duration::from_millis(1)).await;
    let row = bench.store.list_instances().await.unwrap().remove(0);
    assert_eq!((row.instance.status(), row.instance.attempts.count), ("ERROR", 1));
}
