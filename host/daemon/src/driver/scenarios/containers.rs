//! Instances in containers outlive mcpd, and what nobody wants goes (behaviour 5.7, 5.8).

use std::time::Duration;

use mcpd_core::time::between;
use serde_json::json;

use crate::driver::test_support::{Bench, has_event, last_event};
use crate::metrics::Census;
use crate::runtime::fake::{Greeting, OnStart, Place};
use crate::runtime::{Exit, StartProgress};
use crate::store::Store as _;

/// The text of `/metrics` as far as it is about one server.
fn metrics(bench: &Bench, server: &str) -> String {
    let census = Census { servers: [server.into()].into(), ..Census::default() };
    bench.context.metrics.encode(&census).unwrap()
}

#[tokio::test(start_paused = true)]
async fn rule_5_8_a_container_that_outlived_mcpd_is_taken_over_without_a_start_or_a_secret() {
    let bench = Bench::boot().await;
    bench.put_secret("creds", "s3cret-value").await;
    let env = json!([{"name": "TOKEN", "valueFrom": {"secretRef": {"name": "creds", "key": "token"}}}]);
    bench.apply_image("demo", json!({"env": env, "healthCheck": {"tool": "whoami"}})).await;
    bench.until_ready("demo", 1).await;
    let before = bench.only("demo");
    bench.context.ledger.flushed().await.unwrap();
    let bench = bench.crash().await;
    let left = bench.only("demo");
    assert_eq!((left.status(), left.restarts, left.is_ready()), ("STARTING", 0, false));
    let now = bench.now();
    bench.until_ready("demo", 1).await;
    let instance = bench.only("demo");
    assert!(between(now, bench.now()) < Duration::from_secs(1));
    assert_eq!((instance.id, instance.revision), (before.id, before.revision));
    assert_eq!((instance.restarts, instance.attempts.count), (0, 0));
    assert!(has_event(&bench.only("demo"), "Adopted", "Taken over as it runs"));
    assert!(bench.runtime.asked("demo").is_empty(), "it was not started");
    assert_eq!(bench.cell("demo").redactor().mask("s3cret-value"), "•••");
    assert!(!metrics(&bench, "demo").contains("mcpd_restarts_total{"));
}

#[tokio::test(start_paused = true)]
async fn rule_5_7_on_a_clean_end_of_mcpd_processes_end_and_containers_stay_running_in_the_store_too() {
    let bench = Bench::boot().await;
    bench.apply_image("boxed", json!({})).await;
    bench.apply("plain", json!({})).await;
    bench.until(|b| b.ready("boxed") == 1 && b.ready("plain") == 1).await;
    let (boxed, store) = (bench.only("boxed").id, bench.store.clone());
    let bench = bench.reboot().await;
    assert_eq!(bench.runtime.running("boxed"), std::slice::from_ref(&boxed));
    assert!(bench.runtime.running("plain").is_empty());
    let rows = store.list_instances().await.unwrap();
    assert!(rows[0].instance.left_running && !rows[1].instance.left_running);
    assert!(bench.cell("boxed").run().is_none(), "it is not known to run until it is taken over");
    bench.until(|b| b.ready("boxed") == 1 && b.ready("plain") == 1).await;
    assert_eq!((bench.only("boxed").id, bench.only("boxed").restarts), (boxed, 0));
    assert_eq!(bench.only("plain").restarts, 1);
    bench.context.ledger.flushed().await.unwrap();
    assert!(store.list_instances().await.unwrap()[0].container_id.is_some());
}

#[tokio::test(start_paused = true)]
async fn rule_5_7_what_ended_while_mcpd_was_away_is_told_and_started_at_once() {
    for exit in [Exit::Code(3), Exit::Unseen] {
        let bench = Bench::boot().await;
        bench.apply_image("demo", json!({})).await;
        bench.until_ready("demo", 1).await;
        let id = bench.only("demo").id;
        let bench = bench
            .crash_while(|fake| match exit {
                Exit::Unseen => fake.vanish(&id),
                exit => fake.exit(&id, exit, ""),
            })
            .await;
        let now = bench.now();
        bench.until_ready("demo", 1).await;
        let instance = bench.only("demo");
        assert!(between(now, bench.now()) < Duration::from_secs(1));
        assert_eq!((instance.id.clone(), instance.restarts, instance.attempts.count), (id, 1, 0));
        let words = if exit == Exit::Unseen { "disappeared" } else { "exited with code 3" };
        assert!(has_event(&instance, "Exited", &format!("{words} while mcpd was away")), "{instance:#?}");
        assert!(metrics(&bench, "demo").contains(r#"mcpd_restarts_total{server="demo",cause="Exited"} 1"#));
    }
}

#[tokio::test(start_paused = true)]
async fn rule_5_8_what_changed_while_mcpd_was_away_is_taken_over_first_and_then_rolled() {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    let old = bench.only("demo").id;
    let bench = bench.crash().await;
    bench.apply_image("demo", json!({"args": ["v2"]})).await;
    bench.until(|b| b.ready("demo") == 1 && b.instances("demo").iter().any(|i| i.id == old)).await;
    bench
        .until(|b| {
            let there = b.runtime.running("demo").len();
            assert!((1..=2).contains(&there), "the old one serves until the new one does");
            b.instances("demo").len() == 1 && b.only("demo").id != old && b.ready("demo") == 1
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn rule_5_8_what_a_failed_attempt_has_left_running_is_taken_over_by_the_next() {
    let bench = Bench::boot().await;
    bench.apply_image("other", json!({})).await;
    bench.until_ready("other", 1).await;
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("not within 60 s"));
    bench.apply_image("demo", json!({})).await;
    let failed = bench.until_instance("demo", |i| i.attempts.count == 1).await;
    bench.runtime.plant(failed.id.as_str(), &bench.only("other").id);
    let instance = bench.until_instance("demo", |i| i.status() == "RUNNING").await;
    assert!(has_event(&instance, "Adopted", ""));
    assert_eq!((bench.runtime.asked("demo").len(), instance.attempts.count, instance.restarts), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn rule_7_2_one_taken_over_that_takes_no_second_handshake_is_started_again_and_says_why() {
    for (second, words, seconds) in [
        (Greeting::Refuses("already initialized"), "already initialized", 0),
        (Greeting::Silent, "did not answer the handshake within 10s", 10),
    ] {
        let bench = Bench::boot().await;
        bench.runtime.script("demo", |script| script.second_greeting = second);
        bench.apply_image("demo", json!({})).await;
        bench.until_ready("demo", 1).await;
        let id = bench.only("demo").id;
        let bench = bench.crash().await;
        let now = bench.now();
        bench.until(|b| b.runtime.asked("demo").len() == 1).await;
        bench.until_ready("demo", 1).await;
        let instance = bench.only("demo");
        assert_eq!((instance.id.clone(), instance.restarts, instance.attempts.count), (id, 1, 0));
        assert!(has_event(&instance, "Stopping", "it took no second handshake"), "{instance:#?}");
        assert!(has_event(&instance, "Stopping", words), "{instance:#?}");
        // The fake server hangs on to its container for two seconds when it is stopped.
        assert!((seconds..seconds + 4).contains(&between(now, bench.now()).as_secs()));
        let counted = r#"mcpd_restarts_total{server="demo",cause="HandshakeRefused"} 1"#;
        assert!(metrics(&bench, "demo").contains(counted));
    }
}

#[tokio::test(start_paused = true)]
async fn rule_7_2_one_taken_over_that_exits_over_the_second_handshake_is_started_again_at_once_too() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.second_greeting = Greeting::Exits("initialized already"));
    bench.apply_image("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    let id = bench.only("demo").id;
    let bench = bench.crash().await;
    let now = bench.now();
    bench.until(|b| b.runtime.asked("demo").len() == 1 && b.ready("demo") == 1).await;
    let instance = bench.only("demo");
    assert!(between(now, bench.now()) < Duration::from_secs(1));
    assert_eq!((instance.id.clone(), instance.restarts, instance.attempts.count), (id.clone(), 1, 0));
    let words = "it took no second handshake: exited with code 1: initialized already";
    assert!(has_event(&instance, "Exited", words), "{:#?}", instance.events);
    bench.runtime.exit(&id, Exit::Code(1), "");
    bench.until_some("demo", |i| i.attempts.count == 1).await;
}

#[tokio::test(start_paused = true)]
async fn rule_5_8_what_no_instance_wants_goes_and_what_one_wants_stays() {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({"replicas": 2})).await;
    bench.until_ready("demo", 2).await;
    bench.runtime.plant("orphan", &bench.instances("demo")[0].id);
    let now = bench.now();
    bench.until(|b| b.runtime.removed() == ["orphan".into()]).await;
    assert!(between(now, bench.now()) <= Duration::from_secs(33));
    assert!(metrics(&bench, "demo").contains("mcpd_orphans_removed_total 1"));
    let known = bench.instances("demo")[0].id.clone();
    let bench = bench.crash_while(|fake| fake.plant("another", &known)).await;
    let now = bench.now();
    bench.until(|b| b.runtime.removed() == ["another".into()]).await;
    assert!(between(now, bench.now()) <= Duration::from_secs(3), "a new mcpd does not wait for its scan");
    bench.until_ready("demo", 2).await;
    assert!(bench.runtime.asked("demo").is_empty());
}

#[tokio::test(start_paused = true)]
async fn rule_5_8_an_old_list_takes_nothing_from_an_instance_that_came_or_went_since() {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({"replicas": 3})).await;
    bench.until_ready("demo", 3).await;
    bench.runtime.list_takes(Duration::from_secs(10));
    bench.pass(Duration::from_secs(31)).await;
    let gone = bench.cells("demo")[0].clone();
    bench.fleet.delete_instance(&gone).await;
    bench.until(|b| b.ready("demo") == 3 && b.instances("demo").iter().all(|i| i.id != gone.id)).await;
    bench.pass(Duration::from_mins(3)).await;
    assert_eq!(bench.runtime.removed(), std::slice::from_ref(&gone.id));
    assert_eq!((bench.ready("demo"), bench.runtime.asked("demo").len()), (3, 4));
    assert!(bench.instances("demo").iter().all(|i| i.restarts == 0), "and none was taken for vanished");
}

#[tokio::test(start_paused = true)]
async fn rule_2_1_an_exit_is_noticed_at_once_also_while_the_engine_takes_its_time_with_a_list() {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.runtime.list_takes(Duration::from_secs(10));
    bench.pass(Duration::from_secs(31)).await;
    let before = bench.now();
    bench.runtime.exit(&bench.only("demo").id, Exit::Code(1), "");
    bench.until_some("demo", |i| i.restarts == 1).await;
    assert!(between(before, bench.now()) < Duration::from_millis(200));
    bench.pass(Duration::from_mins(1)).await;
    let instance = bench.only("demo");
    assert_eq!(
        (instance.restarts, instance.attempts.count),
        (1, 1),
        "the list that was older changes nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn an_exit_while_mcpd_ends_is_found_by_the_next_one_and_is_no_failed_attempt() {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    let (id, fake) = (bench.only("demo").id, bench.runtime.clone());
    let shut_down = bench.reboot();
    let exit = async {
        tokio::task::yield_now().await;
        fake.exit(&id, Exit::Code(1), "");
    };
    let (bench, ()) = tokio::join!(shut_down, exit);
    bench.until_ready("demo", 1).await;
    let instance = bench.only("demo");
    assert_eq!(
        (instance.id.clone(), instance.attempts.count, instance.restarts),
        (id, 0, 1),
        "{instance:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_pulled_is_told_as_it_comes_and_once_it_is_here() {
    let bench = Bench::boot().await;
    let image = || "fake:1".to_owned();
    let pulling =
        |mib: u64| StartProgress::Pulling { image: image(), done_bytes: mib << 20, total_bytes: 120 << 20 };
    bench.runtime.script("demo", |script| {
        script.pull = vec![pulling(3), pulling(34)];
        script.start = OnStart::RunsAfter(Duration::from_secs(12));
    });
    let mut changes = bench.context.board.watch();
    bench.apply_image("demo", json!({})).await;
    bench.until(|b| b.runtime.asked("demo").len() == 1).await;
    let instance = bench.only("demo");
    assert_eq!(last_event(&instance), "Normal Pulling: pulling image fake:1: 34 of 120 MiB");
    assert!(changes.recv().await.is_ok(), "who watches is told");
    bench.runtime.script("demo", |script| {
        script.pull =
            vec![pulling(3), StartProgress::Pulled { image: image(), took: Duration::from_secs(12) }];
    });
    bench.apply_image("demo", json!({"args": ["v2"]})).await;
    bench.until_ready("demo", 1).await;
    let instance = bench.only("demo");
    let words: Vec<_> = instance.events.iter().map(|event| event.reason.as_str()).collect();
    assert_eq!(words, ["Created", "Pulled", "Started", "Connected", "HealthCheckPassed"]);
}

#[tokio::test(start_paused = true)]
async fn a_pull_without_end_keeps_no_process_from_starting_and_no_container_from_being_taken_over() {
    let bench = Bench::boot().await;
    bench.apply_image("boxed", json!({})).await;
    bench.until_ready("boxed", 1).await;
    let bench = bench.crash().await;
    let pulling = StartProgress::Pulling { image: "fake:1".to_owned(), done_bytes: 0, total_bytes: 0 };
    bench.runtime.script("slow", |script| {
        script.pull = vec![pulling];
        script.start = OnStart::RunsAfter(Duration::from_hours(1));
    });
    bench.apply_image("slow", json!({"replicas": 8})).await;
    bench.until(|b| b.runtime.asked("slow").len() == 8).await;
    let now = bench.now();
    bench.apply("plain", json!({})).await;
    bench.until(|b| b.ready("plain") == 1 && b.ready("boxed") == 1).await;
    assert!(between(now, bench.now()) < Duration::from_secs(3));
    assert!(bench.runtime.asked("boxed").is_empty(), "it was taken over");
}

#[tokio::test(start_paused = true)]
async fn rule_3_2_without_its_login_no_image_is_asked_for_and_with_it_the_login_is_no_variable() {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({"imagePullSecret": "hub"})).await;
    let instance = bench.until_instance("demo", |i| i.status() == "ERROR").await;
    let words = &instance.error().unwrap().message;
    assert!(words.contains("failed: imagePullSecret.username: secret hub, key username"), "{words}");
    assert!(bench.runtime.asked("demo").is_empty());
    bench.put_login("hub", "robot-user", "robot-password").await;
    bench.until_ready("demo", 1).await;
    assert!(bench.runtime.asked("demo")[0].env.is_empty());
    assert_eq!(bench.cell("demo").redactor().mask("as robot-user with robot-password"), "as ••• with •••");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_listens_on_a_port_runs_on_and_says_that_nobody_speaks_http_yet() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.place = Place::Port);
    bench.apply_image("demo", json!({"transport": "STREAMABLE_HTTP", "containerPort": 8080})).await;
    bench.until_some("demo", |i| has_event(i, "ConnectionFailed", "no HTTP transport")).await;
    bench.pass(Duration::from_mins(5)).await;
    let instance = bench.only("demo");
    assert_eq!((instance.status(), instance.restarts), ("RUNNING", 0));
    assert_eq!(instance.connected_since(), None);
    assert_eq!(bench.cell("demo").run().unwrap().port, Some(49_152));
    let bench = bench.crash().await;
    bench.until_some("demo", |i| has_event(i, "Adopted", "")).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_while_what_runs_is_looked_for_takes_nothing_down() {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    let id = bench.only("demo").id;
    let bench = bench.crash().await;
    bench.apply_image("demo", json!({"args": ["v2"]})).await;
    bench.apply_image("demo", json!({})).await;
    bench.until_ready("demo", 1).await;
    bench.pass(Duration::from_mins(1)).await;
    assert_eq!((bench.only("demo").id, bench.runtime.adoptions().is_empty()), (id, false));
    assert!(bench.runtime.asked("demo").is_empty() && bench.runtime.stopped().is_empty());
}
