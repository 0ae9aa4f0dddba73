//! How many there are, and how old ones give way to new ones (behaviour 5.2 to 5.6).

use std::time::Duration;

use mcpd_core::decide::Rollout;
use mcpd_core::event::Event;
use serde_json::json;

use crate::driver::test_support::{Bench, has_event, ids};
use crate::runtime::fake::{OnCall, OnStart, OnStop};
use crate::store::Store as _;

#[tokio::test(start_paused = true)]
async fn rule_5_2_replicas_are_made_and_taken_away() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"replicas": 3})).await;
    bench.until_ready("demo", 3).await;
    let three = ids(&bench.instances("demo"));
    bench.apply("demo", json!({"replicas": 1})).await;
    bench.until_ready("demo", 1).await;
    assert!(three.contains(&bench.only("demo").id));
    bench.apply("demo", json!({"replicas": 0})).await;
    bench.until(|b| b.instances("demo").is_empty()).await;
    assert!(bench.runtime.running("demo").is_empty());
    assert_eq!(bench.runtime.asked("demo").len(), 3, "none was started twice");
    assert!(bench.store.list_instances().await.unwrap().is_empty());
    assert!(bench.context.board.find_server("demo").is_some(), "the definition stays");
}

#[tokio::test(start_paused = true)]
async fn rule_5_2_a_deleted_instance_is_replaced() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    let first = bench.cell("demo");
    bench.fleet.delete_instance(&first).await;
    bench.until(|b| b.ready("demo") == 1 && b.only("demo").id != first.id).await;
    assert_eq!(bench.runtime.peak("demo"), 1);
    assert_eq!(bench.runtime.running("demo"), [bench.only("demo").id]);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_instance_that_is_just_starting_does_not_wait_for_its_start() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.start = OnStart::RunsAfter(Duration::from_mins(5)));
    bench.apply("demo", json!({})).await;
    bench.until(|b| b.runtime.asked("demo").len() == 1).await;
    let (before, first) = (bench.now(), bench.cell("demo"));
    bench.fleet.delete_instance(&first).await;
    bench.until(|b| b.runtime.asked("demo").len() == 2).await;
    assert_eq!(bench.now().duration_since(before).as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn rule_5_4_a_rollout_has_never_more_than_one_too_many_and_waits_for_each_to_be_ready() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"replicas": 3})).await;
    bench.until_ready("demo", 3).await;
    let old = ids(&bench.instances("demo"));
    bench.apply("demo", json!({"replicas": 3, "args": ["v2"]})).await;
    bench
        .until(|b| {
            assert!(b.ready("demo") >= 3, "the service is never less than it was");
            b.instances("demo").len() == 3 && b.instances("demo").iter().all(|i| !old.contains(&i.id))
        })
        .await;
    assert_eq!(bench.runtime.peak("demo"), 4);
    assert_eq!(bench.server("demo").plan().rollout, Rollout::Complete);
    assert_eq!(bench.runtime.asked("demo").len(), 6);
}

#[tokio::test(start_paused = true)]
async fn rule_5_4_a_stuck_rollout_leaves_the_old_one_in_service_and_a_newer_one_replaces_it() {
    let bench = Bench::boot().await;
    let check = json!({"tool": "whoami"});
    bench.apply("demo", json!({"healthCheck": check})).await;
    bench.until_ready("demo", 1).await;
    let old = bench.only("demo").id;
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("no such option"));
    bench.apply("demo", json!({"healthCheck": check, "args": ["--wrong"]})).await;
    let is_stuck = |b: &Bench| matches!(b.server("demo").plan().rollout, Rollout::Stuck { .. });
    bench.until(is_stuck).await;
    bench.pass(Duration::from_mins(10)).await;
    assert!(is_stuck(&bench) && bench.ready("demo") == 1);
    assert_eq!(bench.runtime.running("demo"), std::slice::from_ref(&old));
    let events = bench.store.list_events(Some(&"demo".into()), 1000).await.unwrap();
    let stuck: Vec<&Event> =
        events.iter().map(|row| &row.event).filter(|e| e.reason == "RolloutStuck").collect();
    assert_eq!((stuck.len(), stuck[0].count), (1, 1), "it is said once");
    bench.runtime.script("demo", |script| script.start = OnStart::Runs);
    bench.apply("demo", json!({"healthCheck": check, "args": ["--right"]})).await;
    bench.until(|b| b.instances("demo").len() == 1 && b.ready("demo") == 1 && b.only("demo").id != old).await;
    assert_eq!(bench.runtime.peak("demo"), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_5_4_a_new_one_that_works_but_is_not_well_takes_nobodys_place() {
    let bench = Bench::boot().await;
    let check = json!({"tool": "whoami", "intervalSeconds": 5});
    bench.apply("demo", json!({"healthCheck": check})).await;
    bench.until_ready("demo", 1).await;
    let old = bench.only("demo").id;
    bench.runtime.tool("demo", "other", OnCall::ToolError("token is required"));
    let other = json!({"tool": "other", "intervalSeconds": 5});
    bench.apply("demo", json!({"healthCheck": other, "args": ["v2"]})).await;
    bench.until(|b| b.instances("demo").iter().any(|i| i.id != old && i.health.failures() >= 3)).await;
    assert_eq!(bench.runtime.running("demo").len(), 2);
    assert!(bench.runtime.running("demo").contains(&old));
}

#[tokio::test(start_paused = true)]
async fn rule_5_4_recreate_lets_the_old_one_go_first() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"strategy": "recreate", "replicas": 2})).await;
    bench.until_ready("demo", 2).await;
    let old = ids(&bench.instances("demo"));
    bench.apply("demo", json!({"strategy": "recreate", "replicas": 2, "args": ["v2"]})).await;
    bench.until(|b| b.ready("demo") == 2 && b.instances("demo").iter().all(|i| !old.contains(&i.id))).await;
    assert_eq!(bench.runtime.peak("demo"), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_5_4_labels_and_description_touch_nothing() {
    let bench = Bench::boot().await;
    let check = json!({"intervalSeconds": 3600});
    bench.apply("demo", json!({"healthCheck": check})).await;
    bench.until_ready("demo", 1).await;
    let before = bench.only("demo");
    bench.apply("demo", json!({"healthCheck": check, "labels": {"team": "dev"}, "description": "x"})).await;
    bench.pass(Duration::from_secs(20)).await;
    assert_eq!(bench.only("demo"), before, "it was not even checked again");
}

#[tokio::test(start_paused = true)]
async fn rule_5_4_a_restart_replaces_all_one_by_one() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"replicas": 2})).await;
    bench.until_ready("demo", 2).await;
    let old = ids(&bench.instances("demo"));
    bench.restart("demo").await;
    bench
        .until(|b| {
            assert!(b.ready("demo") >= 2);
            b.instances("demo").len() == 2 && b.instances("demo").iter().all(|i| !old.contains(&i.id))
        })
        .await;
    assert_eq!(bench.runtime.peak("demo"), 3);
}

#[tokio::test(start_paused = true)]
async fn launch_fields_that_change_while_it_starts_end_the_start_and_begin_another() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.start = OnStart::RunsAfter(Duration::from_mins(5)));
    bench.apply("demo", json!({})).await;
    bench.until(|b| b.runtime.asked("demo").len() == 1).await;
    bench.runtime.script("demo", |script| script.start = OnStart::Runs);
    let (before, first) = (bench.now(), bench.only("demo").id);
    bench.apply("demo", json!({"args": ["v2"]})).await;
    bench.until_ready("demo", 1).await;
    assert_eq!(bench.now().duration_since(before).as_secs(), 0);
    assert_eq!((bench.only("demo").id, bench.only("demo").attempts.count), (first, 0));
}

#[tokio::test(start_paused = true)]
async fn rule_5_3_where_a_stop_failed_nothing_is_started() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.script("demo", |script| script.stop = OnStop::Fails);
    bench.fleet.delete_instance(&bench.cell("demo")).await;
    bench.until_some("demo", |i| has_event(i, "StopFailed", "still there after SIGKILL")).await;
    bench.pass(Duration::from_mins(3)).await;
    assert_eq!((bench.statuses("demo"), bench.runtime.asked("demo").len()), (vec!["STOPPING"], 1));
    bench.runtime.script("demo", |script| script.stop = OnStop::Ends);
    bench.until_ready("demo", 1).await;
    assert_eq!(bench.runtime.peak("demo"), 1);
}

#[tokio::test(start_paused = true)]
async fn rule_5_6_a_deleted_server_leaves_nothing_behind() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({"replicas": 2})).await;
    bench.until_ready("demo", 2).await;
    bench.runtime.script("demo", |script| script.stop = OnStop::Fails);
    bench.delete("demo").await;
    bench.pass(Duration::from_mins(2)).await;
    assert!(bench.store.find_server(&"demo".into()).await.unwrap().is_some(), "not before they are gone");
    bench.runtime.script("demo", |script| script.stop = OnStop::Ends);
    bench.until(|b| b.context.board.find_server("demo").is_none()).await;
    assert!(bench.instances("demo").is_empty() && bench.runtime.running("demo").is_empty());
    assert!(bench.store.list_servers().await.unwrap().is_empty());
    assert!(bench.store.list_instances().await.unwrap().is_empty());
    bench.pass(Duration::from_mins(10)).await;
    assert_eq!(bench.context.checks.watched(), 0);
    assert!(bench.store.list_instances().await.unwrap().is_empty(), "nothing late brought a row back");
}

#[tokio::test(start_paused = true)]
async fn a_server_made_anew_right_after_its_deletion_is_driven() {
    let bench = Bench::boot().await;
    for round in 0..3 {
        bench.apply("demo", json!({"args": [round.to_string()]})).await;
        bench.until_ready("demo", 1).await;
        bench.delete("demo").await;
        while bench.store.find_server(&"demo".into()).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    }
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.pass(Duration::from_mins(5)).await;
    assert_eq!(bench.ready("demo"), 1, "and checked");
}
