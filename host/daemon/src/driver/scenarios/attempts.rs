//! Start attempts: secrets, backoff, exits (behaviour 2, 3, 4 and 7.2).

use std::time::Duration;

use mcpd_core::time::between;
use serde_json::{Value, json};

use crate::driver::test_support::{Bench, has_event, last_event, seconds, wait_of};
use crate::runtime::Exit;
use crate::runtime::fake::{Greeting, OnStart, OnStop};

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
async fn what_a_volume_leads_to_is_looked_at_before_each_start_and_withheld_where_it_must_be() {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({"volumes": [{"source": "/none/mcpd/run", "target": "/a"}]})).await;
    let instance = bench.until_instance("demo", |i| i.status() == "ERROR").await;
    let error = &instance.error().unwrap().message;
    assert_eq!(error, "/none/mcpd/run lies in the data (/none/mcpd), with which a container could read it");
    assert!(bench.runtime.asked("demo").is_empty(), "nothing was started");
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

#[tokio::test(start_paused = true)]
async fn rule_3_7_a_secret_that_comes_wakes_who_waits_within_a_second_and_resets_the_count() {
    let bench = Bench::boot().await;
    bench.apply("demo", with_secret("late")).await;
    bench.until_some("demo", |i| i.attempts.count == 3).await;
    let before = bench.now();
    bench.put_secret("late", "s3cret-value").await;
    let instance = bench.until_instance("demo", |i| i.status() == "RUNNING").await;
    assert!(between(before, bench.now()) <= Duration::from_secs(1));
    assert_eq!(instance.attempts.count, 0);
    assert_eq!(bench.runtime.asked("demo")[0].env, ["TOKEN=s3cret-value"]);
}

#[tokio::test(start_paused = true)]
async fn rule_3_7_a_changed_value_rolls_what_runs_and_an_unchanged_one_does_not() {
    let bench = Bench::boot().await;
    bench.put_secret("creds", "first-value").await;
    bench.apply("demo", with_secret("creds")).await;
    bench.until_ready("demo", 1).await;
    let first = bench.only("demo").id;
    bench.put_secret("creds", "first-value").await;
    bench.pass(Duration::from_mins(2)).await;
    assert_eq!(bench.only("demo").id, first);
    bench.put_secret("creds", "second-value").await;
    bench
        .until(|b| b.instances("demo").len() == 1 && b.only("demo").id != first && b.ready("demo") == 1)
        .await;
    assert_eq!(bench.runtime.asked("demo").last().unwrap().env, ["TOKEN=second-value"]);
    assert_eq!(bench.runtime.running("demo"), [bench.only("demo").id]);
}

#[tokio::test(start_paused = true)]
async fn rule_4_6_a_backend_that_changes_wakes_and_the_count_goes_on() {
    let bench = Bench::boot().await;
    bench.apply("demo", with_secret("late")).await;
    bench.until_some("demo", |i| i.attempts.count == 3).await;
    bench.pass(Duration::from_secs(5)).await;
    let before = bench.now();
    bench.fleet.backend_changed("sealed").await;
    let instance = bench.until_instance("demo", |i| i.attempts.count == 4).await;
    assert!(between(before, instance.attempts.last_at.unwrap()) <= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn rule_4_6_a_backend_that_changes_wakes_nobody_whose_secrets_are_in_another() {
    let bench = Bench::boot().await;
    bench.put_secret("late", "s3cret-value").await;
    let other_key = json!({"secretRef": {"name": "late", "key": "other"}});
    bench.apply("demo", json!({"env": [{"name": "TOKEN", "valueFrom": other_key}]})).await;
    bench.until_some("demo", |i| i.attempts.count == 3).await;
    bench.fleet.backend_changed("files").await;
    bench.pass(Duration::from_secs(5)).await;
    assert_eq!(bench.only("demo").attempts.count, 3);
}

#[tokio::test(start_paused = true)]
async fn rule_4_6_a_secret_that_came_back_unannounced_is_noticed_within_the_scan_and_the_count_goes_on() {
    let bench = Bench::boot().await;
    bench.apply("demo", with_secret("late")).await;
    bench.until_some("demo", |i| i.attempts.count == 6).await;
    bench.write_secret("late", "s3cret-value").await;
    let before = bench.now();
    let instance = bench.until_instance("demo", |i| i.status() == "RUNNING").await;
    assert!(between(before, bench.now()) <= Duration::from_secs(31));
    assert_eq!(instance.attempts.count, 6);
}

#[tokio::test(start_paused = true)]
async fn rules_4_1_to_4_4_the_same_instance_is_tried_again_five_times_after_30_s_and_then_after_300_s() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("no such file"));
    bench.apply("demo", json!({})).await;
    let first = bench.until_instance("demo", |i| i.attempts.count == 1).await;
    let mut waits = Vec::new();
    for count in 1..=7 {
        let instance =
            bench.until_instance("demo", |i| i.attempts.count == count && i.status() == "ERROR").await;
        assert_eq!(instance.id, first.id, "it is attempted again, not replaced");
        waits.push(wait_of(&instance));
    }
    for (wait, least) in waits.iter().zip([30, 30, 30, 30, 30, 300, 300]) {
        assert!((least..=least + least / 10).contains(wait), "{waits:?}");
    }
    let asked = bench.runtime.asked("demo");
    for (pair, least) in asked.windows(2).zip([30, 30, 30, 30, 30, 300]) {
        let gap = pair[1].at - pair[0].at;
        assert!(
            gap >= Duration::from_secs(least) && gap < Duration::from_secs(least + least / 10 + 1),
            "{gap:?}"
        );
    }
    assert_eq!(bench.only("demo").error().unwrap().message, r#"cannot start "fake": no such file"#);
}

#[tokio::test(start_paused = true)]
async fn rule_4_5_an_exit_is_a_failed_attempt_with_the_end_of_its_stderr() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.greeting = Greeting::Silent);
    bench.apply("demo", json!({})).await;
    bench.until_some("demo", |i| i.status() == "RUNNING").await;
    bench.runtime.exit(&bench.only("demo").id, Exit::Code(137), "GITEA_HOST is not set");
    let instance = bench.until_instance("demo", |i| i.status() == "ERROR").await;
    assert_eq!(last_event(&instance), "Warning Exited: exited with code 137: GITEA_HOST is not set");
    assert_eq!(
        (instance.attempts.count, instance.error().unwrap().message.as_str()),
        (1, "exited with code 137")
    );
    assert!((30..=33).contains(&wait_of(&instance)));
}

#[tokio::test(start_paused = true)]
async fn rule_4_5_the_first_exit_of_a_ready_one_is_tried_at_once_and_the_second_is_a_crash_loop() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    let id = bench.only("demo").id;
    let before = bench.now();
    bench.runtime.exit(&id, Exit::Code(0), "");
    bench.until(|b| b.runtime.asked("demo").len() == 2).await;
    assert!(between(before, bench.now()) < Duration::from_secs(1));
    bench.until_ready("demo", 1).await;
    assert_eq!(bench.only("demo").attempts.count, 1);
    bench.runtime.exit(&id, Exit::Code(0), "");
    let instance = bench.until_instance("demo", |i| i.status() == "ERROR").await;
    assert_eq!((instance.id.clone(), instance.attempts.count, instance.restarts), (id, 2, 2));
    assert!((30..=33).contains(&wait_of(&instance)));
    assert_eq!(instance.error().unwrap().reason.as_str(), "CrashLoop");
}

#[tokio::test(start_paused = true)]
async fn rule_4_6_the_count_is_forgotten_after_600_s_in_service() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.exit(&bench.only("demo").id, Exit::Code(1), "");
    bench.until(|b| b.runtime.asked("demo").len() == 2 && b.ready("demo") == 1).await;
    let connected = bench.only("demo").connected_since().unwrap();
    let instance = bench.until_instance("demo", |i| i.attempts.count == 0).await;
    assert_eq!(seconds(connected, bench.now()), 600);
    assert!(instance.is_ready());
}

#[tokio::test(start_paused = true)]
async fn rule_4_6_changed_launch_fields_are_tried_at_once_with_a_fresh_count() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("no"));
    bench.apply("demo", json!({})).await;
    let id = bench.until_instance("demo", |i| i.attempts.count == 4).await.id;
    bench.runtime.script("demo", |script| script.start = OnStart::Runs);
    let before = bench.now();
    bench.apply("demo", json!({"args": ["--right"]})).await;
    let instance = bench.until_instance("demo", |i| i.status() == "RUNNING").await;
    assert_eq!((instance.id, instance.attempts.count, seconds(before, bench.now())), (id, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn rule_2_1_an_exit_that_nobody_announced_is_found_by_the_scan() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.vanish(&bench.only("demo").id);
    let before = bench.now();
    let instance = bench.until_instance("demo", |i| i.restarts == 1).await;
    assert!(between(before, bench.now()) <= Duration::from_secs(30));
    assert!(has_event(&instance, "Exited", ""));
}

#[tokio::test(start_paused = true)]
async fn rule_7_2_a_server_that_closes_its_stdout_is_ended_and_that_is_an_exit() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.hang_up(&bench.only("demo").id);
    let instance = bench.until_instance("demo", |i| i.restarts == 1).await;
    assert!(has_event(&instance, "Exited", "closed its stdout"), "{:#?}", instance.events);
    assert_eq!(instance.attempts.count, 1);
    bench.until(|b| b.runtime.asked("demo").len() == 2).await;
    assert_eq!(bench.runtime.peak("demo"), 1, "the old one is gone before the next starts");
}

#[tokio::test(start_paused = true)]
async fn rule_7_2_one_that_closes_its_stdout_and_cannot_be_ended_has_nothing_started_in_its_place() {
    let bench = Bench::boot().await;
    bench.apply("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.script("demo", |script| script.stop = OnStop::Fails);
    bench.runtime.hang_up(&bench.only("demo").id);
    let instance = bench.until_instance("demo", |i| has_event(i, "StopFailed", "")).await;
    assert_eq!(instance.status(), "STOPPING");
    bench.pass(Duration::from_mins(2)).await;
    assert_eq!(bench.runtime.asked("demo").len(), 1);
    bench.runtime.script("demo", |script| script.stop = OnStop::Ends);
    bench.until_ready("demo", 1).await;
    assert_eq!((bench.runtime.peak("demo"), bench.only("demo").restarts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_handshake_is_a_failed_attempt_in_the_words_of_the_server() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.greeting = Greeting::Refuses("no licence"));
    bench.apply("demo", json!({})).await;
    let instance = bench.until_instance("demo", |i| i.status() == "ERROR").await;
    assert!(instance.error().unwrap().message.contains("no licence"), "{:#?}", instance.events);
    assert_eq!(instance.attempts.count, 1);
    assert!(bench.runtime.running("demo").is_empty());
    bench.until_some("demo", |i| i.attempts.count == 2).await;
}

#[tokio::test(start_paused = true)]
async fn rule_5_5_a_stop_closes_stdin_also_while_the_handshake_is_under_way() {
    for greeting in [Greeting::Answers, Greeting::Silent] {
        let bench = Bench::boot().await;
        bench.runtime.script("demo", |script| script.greeting = greeting);
        bench.apply("demo", json!({})).await;
        bench.until_some("demo", |i| i.status() == "RUNNING").await;
        // Past the two seconds after which both ways of the handshake are open.
        bench.pass(Duration::from_secs(5)).await;
        bench.apply("demo", json!({"replicas": 0})).await;
        bench.until(|b| b.instances("demo").is_empty()).await;
        assert_eq!(bench.runtime.stopped(), [Exit::Code(0)], "{greeting:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rule_5_7_the_end_of_mcpd_closes_stdin_too() {
    for greeting in [Greeting::Answers, Greeting::Silent] {
        let bench = Bench::boot().await;
        bench.runtime.script("demo", |script| script.greeting = greeting);
        bench.apply("demo", json!({})).await;
        bench.until_some("demo", |i| i.status() == "RUNNING").await;
        bench.pass(Duration::from_secs(5)).await;
        let (runtime, _) = bench.shut_down().await;
        assert_eq!(runtime.stopped(), [Exit::Code(0)], "{greeting:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn starts_are_under_way_a_few_at_a_time() {
    let bench = Bench::boot().await;
    let slow = OnStart::RunsAfter(Duration::from_secs(3));
    for n in 0..10 {
        let name = format!("demo-{n}");
        bench.runtime.script(&name, |script| script.start = slow);
        bench.apply(&name, json!({})).await;
    }
    bench.pass(Duration::from_secs(1)).await;
    let asked = (0..10).filter(|n| !bench.runtime.asked(&format!("demo-{n}")).is_empty()).count();
    assert_eq!(asked, bench.context.starts.available_permits() + 4);
    bench.until(|b| (0..10).all(|n| b.ready(&format!("demo-{n}")) == 1)).await;
}
