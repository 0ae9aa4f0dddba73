//! An engine that goes away: said as what is not known, harmful to nothing, and over when it is over.

use std::time::Duration;

use mcpd_core::check::{Inconclusive, Verdict};
use mcpd_core::conditions::ConditionType;
use mcpd_core::health::HealthStatus;
use mcpd_core::time::between;
use serde_json::json;

use crate::driver::test_support::{Bench, has_event, seconds};
use crate::runtime::Exit;
use crate::runtime::fake::{Attachments, OnStart};
use crate::store::Store as _;

const WORDS: &str = "connection refused";

async fn ready_bench(fields: serde_json::Value) -> Bench {
    let bench = Bench::boot().await;
    let replicas = fields["replicas"].as_u64().map_or(1, |replicas| usize::try_from(replicas).unwrap());
    bench.apply_image("demo", fields).await;
    bench.until_ready("demo", replicas).await;
    bench
}

async fn call(bench: &Bench) -> Result<(), String> {
    let server = bench.server("demo");
    let answer = bench.router.call(&server, None, "tools/list", None, Duration::from_mins(1)).await;
    answer.map(|_| ()).map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_frozen_nothing_is_known_and_afterwards_all_is_as_before() {
    let bench = ready_bench(json!({"healthCheck": {"tool": "whoami", "intervalSeconds": 5}})).await;
    bench.apply("plain", json!({})).await;
    bench.until_ready("plain", 1).await;
    bench.runtime.go_away(WORDS, Attachments::Hang);
    bench.until_some("demo", |i| i.sight_lost() == Some(WORDS)).await;
    let (instance, before) = (bench.only("demo"), bench.now());
    assert_eq!((instance.status(), instance.is_ready()), ("RUNNING", false));
    let running = instance.conditions.find(ConditionType::Running).unwrap();
    assert_eq!((running.status.as_str(), running.reason.as_str()), ("Unknown", "RuntimeUnreachable"));
    let refused = call(&bench).await.unwrap_err();
    assert!(refused.contains("nobody knows now: connection refused"), "{refused}");
    assert_eq!(before, bench.now(), "a client is told at once");
    bench.pass(Duration::from_secs(8)).await;
    assert_eq!(bench.ready("plain"), 1, "a process of the host goes on");
    bench.runtime.come_back();
    bench.until_ready("demo", 1).await;
    assert_eq!(seconds(before, bench.now()), 8);
    bench.pass(Duration::from_mins(2)).await;
    let instance = bench.only("demo");
    assert_eq!((bench.ready("demo"), instance.restarts, bench.runtime.asked("demo").len()), (1, 0, 1));
    assert!(!has_event(&instance, "HealthCheckFailed", ""), "{:#?}", instance.events);
    assert!(bench.runtime.reattachments().is_empty(), "its attachment had not ended");
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_known_to_when_it_is_found_there_and_not_when_the_engine_says_that_it_is_back() {
    let bench = ready_bench(json!({})).await;
    bench.runtime.go_away(WORDS, Attachments::Hang);
    bench.until_some("demo", |i| i.sight_lost().is_some()).await;
    bench.runtime.list_takes(Duration::from_secs(2));
    let before = bench.now();
    bench.runtime.come_back();
    bench.until_ready("demo", 1).await;
    assert_eq!(seconds(before, bench.now()), 2);
    bench.runtime.go_away(WORDS, Attachments::Hang);
    bench.until_some("demo", |i| i.sight_lost().is_some()).await;
    bench.runtime.vanish(&bench.only("demo").id);
    bench.runtime.come_back();
    let instance = bench.until_instance("demo", |i| i.restarts == 1).await;
    assert!(has_event(&instance, "Exited", "disappeared"), "{:#?}", instance.events);
}

#[tokio::test(start_paused = true)]
async fn word_of_an_engine_that_was_missed_is_made_up_for_by_the_scan() {
    let bench = ready_bench(json!({})).await;
    bench.runtime.go_away_unnoticed(WORDS, Attachments::Hang);
    bench.until_some("demo", |i| i.sight_lost().is_some()).await;
    bench.runtime.come_back_unnoticed();
    bench.until_ready("demo", 1).await;
    assert_eq!(bench.only("demo").restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_package_needs_no_engine_unless_it_is_to_run_in_a_container() {
    let bench = Bench::boot().await;
    bench.runtime.go_away(WORDS, Attachments::Break);
    bench.apply("demo", json!({"command": [], "packageName": "demo", "runtime": "node"})).await;
    bench.until_ready("demo", 1).await;
    bench.apply_image("boxed", json!({"dockerImage": null, "packageName": "demo", "runtime": "node"})).await;
    let instance = bench.until_instance("boxed", |i| i.status() == "ERROR").await;
    assert_eq!(instance.error().unwrap().reason.as_str(), "RuntimeUnreachable");
}

#[tokio::test(start_paused = true)]
async fn an_attachment_that_ended_with_the_engine_is_made_anew_once_it_is_back_and_not_before() {
    let bench = ready_bench(json!({})).await;
    bench.runtime.go_away(WORDS, Attachments::Break);
    bench.until_some("demo", |i| has_event(i, "ConnectionFailed", "attachment to its container ended")).await;
    bench.pass(Duration::from_mins(10)).await;
    assert!(bench.runtime.reattachments().is_empty(), "nobody hammers what is away");
    assert_eq!(bench.only("demo").health.reason(), "Expired", "what was known expires as ever");
    let before = bench.now();
    bench.runtime.come_back();
    bench.until_ready("demo", 1).await;
    assert!(between(before, bench.now()) < Duration::from_secs(1));
    let instance = bench.only("demo");
    assert_eq!((instance.restarts, instance.attempts.count), (0, 0));
    assert_eq!((bench.runtime.reattachments().len(), bench.runtime.asked("demo").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn rule_4_7_attempts_fail_in_its_words_and_are_made_at_once_when_it_is_back_with_their_count() {
    let bench = Bench::boot().await;
    bench.runtime.go_away(WORDS, Attachments::Break);
    bench.apply_image("demo", json!({})).await;
    let instance = bench.until_instance("demo", |i| i.attempts.count == 6).await;
    let error = instance.error().unwrap();
    assert_eq!(error.reason.as_str(), "RuntimeUnreachable");
    assert!(error.message.contains("the container engine at unix:///fake.sock does not answer"));
    bench.pass(Duration::from_secs(10)).await;
    let before = bench.now();
    bench.runtime.come_back();
    bench.until_ready("demo", 1).await;
    assert!(between(before, bench.now()) < Duration::from_secs(2));
    assert_eq!(bench.only("demo").attempts.count, 6);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_comes_back_while_an_attempt_fails_for_want_of_it_leaves_nobody_asleep() {
    let bench = Bench::boot().await;
    let slow = OnStart::LosesEngineAfter(Duration::from_secs(3));
    bench.runtime.script("demo", |script| script.start = slow);
    bench.apply_image("demo", json!({})).await;
    bench.until(|b| b.runtime.asked("demo").len() == 1).await;
    bench.runtime.go_away(WORDS, Attachments::Break);
    bench.runtime.come_back();
    bench.pass(Duration::from_secs(1)).await;
    bench.runtime.script("demo", |script| script.start = OnStart::Runs);
    let before = bench.now();
    bench.until_ready("demo", 1).await;
    assert!(between(before, bench.now()) < Duration::from_secs(5));
    assert_eq!(bench.only("demo").attempts.count, 1);
}

#[tokio::test(start_paused = true)]
async fn rule_5_3_what_could_not_be_stopped_is_stopped_when_the_engine_is_back() {
    let bench = ready_bench(json!({})).await;
    let old = bench.only("demo").id;
    bench.runtime.go_away(WORDS, Attachments::Hang);
    bench.fleet.delete_instance(&bench.cell("demo")).await;
    bench.until_some("demo", |i| has_event(i, "StopFailed", WORDS)).await;
    bench.pass(Duration::from_mins(10)).await;
    assert_eq!(bench.statuses("demo"), ["STOPPING"], "nothing takes its place");
    let before = bench.now();
    bench.runtime.come_back();
    bench.until(|b| b.ready("demo") == 1 && b.only("demo").id != old).await;
    assert!(between(before, bench.now()) < Duration::from_secs(4));
    assert_eq!(bench.runtime.peak("demo"), 1);
}

#[tokio::test(start_paused = true)]
async fn rule_4_5_an_exit_that_the_engine_tells_when_it_is_back_is_an_exit_like_any_other() {
    let bench = ready_bench(json!({})).await;
    bench.runtime.go_away(WORDS, Attachments::Break);
    let id = bench.only("demo").id;
    bench.runtime.exit(&id, Exit::Code(137), "");
    bench.pass(Duration::from_mins(3)).await;
    assert_eq!(bench.statuses("demo"), ["RUNNING"], "what cannot be asked about has not vanished");
    bench.runtime.come_back();
    bench.until(|b| b.runtime.asked("demo").len() == 2 && b.ready("demo") == 1).await;
    let instance = bench.only("demo");
    assert_eq!((instance.id.clone(), instance.restarts, instance.attempts.count), (id, 1, 1));
    assert!(has_event(&instance, "Exited", "exited with code 137"));
}

#[tokio::test(start_paused = true)]
async fn rule_5_8_mcpd_starts_without_its_engine_and_takes_over_what_ran_when_that_is_back() {
    let bench = ready_bench(json!({})).await;
    let id = bench.only("demo").id;
    let bench = bench.crash_while(|fake| fake.go_away_unnoticed(WORDS, Attachments::Break)).await;
    let instance = bench.until_instance("demo", |i| i.status() == "ERROR").await;
    assert_eq!((instance.error().unwrap().reason.as_str(), instance.restarts), ("RuntimeUnreachable", 0));
    let bench = bench.crash().await;
    let swept = &bench.runtime.swept()[0];
    assert_eq!(swept.handle.as_ref().unwrap().0, format!("container-of-{id}"), "it is known where to look");
    bench.apply("plain", json!({})).await;
    bench.until_ready("plain", 1).await;
    bench.runtime.come_back();
    bench.until_ready("demo", 1).await;
    let instance = bench.only("demo");
    assert_eq!((instance.id.clone(), instance.restarts), (id, 0));
    assert!(bench.runtime.asked("demo").is_empty() && has_event(&instance, "Adopted", ""));
}

#[tokio::test(start_paused = true)]
async fn rule_5_6_what_is_to_be_deleted_is_found_however_often_mcpd_starts_without_the_engine() {
    let bench = ready_bench(json!({})).await;
    let id = bench.only("demo").id;
    bench.runtime.go_away(WORDS, Attachments::Break);
    bench.delete("demo").await;
    bench.until_some("demo", |i| has_event(i, "StopFailed", WORDS)).await;
    let bench = bench.crash().await;
    bench.pass(Duration::from_mins(1)).await;
    let bench = bench.crash().await;
    assert_eq!(bench.statuses("demo"), ["STOPPING"]);
    let swept = &bench.runtime.swept()[0];
    assert_eq!(swept.handle.as_ref().map(|handle| handle.0.clone()), Some(format!("container-of-{id}")));
    bench.runtime.come_back();
    bench.until(|b| b.context.board.find_server("demo").is_none()).await;
    assert!(bench.runtime.running("demo").is_empty());
}

#[tokio::test(start_paused = true)]
async fn rule_6_8_a_check_that_failed_for_want_of_the_engine_is_inconclusive_and_names_it() {
    let check = json!({"tool": "whoami", "intervalSeconds": 5, "timeoutSeconds": 2, "failureThreshold": 2});
    let bench = ready_bench(json!({"healthCheck": check})).await;
    bench.runtime.go_away_unnoticed(WORDS, Attachments::Hang);
    bench.until(|b| b.cell("demo").last_check().unwrap().verdict != Verdict::Pass).await;
    let found = bench.cell("demo").last_check().unwrap();
    assert_eq!(found.verdict, Verdict::Inconclusive(Inconclusive::RuntimeUnreachable));
    assert!(found.message.contains("unix:///fake.sock does not answer: connection refused"), "{found:?}");
    assert!(found.message.contains("timed out after 2s"), "{found:?}");
    assert!(bench.only("demo").is_ready(), "one that cannot tell changes nothing");
    bench.until_some("demo", |i| i.health.status() == Some(HealthStatus::Unknown)).await;
    assert_eq!(bench.only("demo").health.reason(), "RuntimeUnreachable");
    assert_eq!(bench.only("demo").health.failures(), 0);
}

#[tokio::test(start_paused = true)]
async fn while_nothing_is_known_no_check_is_due_and_one_by_hand_says_why_at_once() {
    let check = json!({"tool": "whoami", "intervalSeconds": 5, "timeoutSeconds": 2});
    let bench = ready_bench(json!({"healthCheck": check})).await;
    bench.runtime.go_away(WORDS, Attachments::Hang);
    bench.until_some("demo", |i| i.sight_lost().is_some()).await;
    let made = bench.cell("demo").checks().len();
    bench.until_some("demo", |i| i.health.reason() == "Expired").await;
    assert_eq!(bench.cell("demo").checks().len(), made);
    let before = bench.now();
    let found = bench.context.checks.check_now(&bench.cell("demo")).await.unwrap();
    assert_eq!(found.verdict, Verdict::Inconclusive(Inconclusive::RuntimeUnreachable));
    assert_eq!((found.message.as_str(), bench.now()), (WORDS, before));
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_while_something_starts_is_seen_to_be_away_as_soon_as_it_runs() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.start = OnStart::RunsAfter(Duration::from_secs(3)));
    bench.apply_image("demo", json!({})).await;
    bench.until(|b| b.runtime.asked("demo").len() == 1).await;
    bench.runtime.go_away(WORDS, Attachments::Hang);
    let instance = bench.until_instance("demo", |i| i.status() == "RUNNING").await;
    assert_eq!(instance.sight_lost().or(bench.only("demo").sight_lost()), Some(WORDS));
    bench.runtime.come_back();
    bench.until_ready("demo", 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_by_force_is_gone_at_once_and_its_container_when_the_engine_is_back() {
    let bench = ready_bench(json!({"replicas": 2})).await;
    bench.runtime.go_away(WORDS, Attachments::Break);
    let there = bench.runtime.running("demo");
    bench.delete("demo").await;
    bench.until_some("demo", |i| has_event(i, "StopFailed", "")).await;
    let before = bench.now();
    assert!(bench.fleet.forget_server(&"demo".into()).await);
    bench.until(|b| b.context.board.find_server("demo").is_none()).await;
    assert_eq!(before, bench.now());
    assert!(bench.store.list_servers().await.unwrap().is_empty());
    assert!(bench.store.list_instances().await.unwrap().is_empty());
    bench.pass(Duration::from_mins(1)).await;
    assert_eq!(bench.runtime.running("demo").len(), 2);
    bench.runtime.come_back();
    bench.until(|b| b.runtime.removed().len() == 2).await;
    assert!(there.iter().all(|id| bench.runtime.removed().contains(id)));
    bench.pass(Duration::from_mins(1)).await;
    assert!(bench.store.list_instances().await.unwrap().is_empty(), "nothing late brought a row back");
}

#[tokio::test(start_paused = true)]
async fn an_instance_forgotten_by_force_is_replaced_and_what_is_left_of_it_goes_by_itself() {
    let bench = ready_bench(json!({})).await;
    let old = bench.cell("demo");
    assert!(bench.fleet.forget_instance(&old).await);
    bench.until(|b| b.ready("demo") == 1 && b.only("demo").id != old.id).await;
    bench.until(|b| b.runtime.running("demo") == [b.only("demo").id]).await;
    assert_eq!(bench.runtime.removed(), std::slice::from_ref(&old.id));
}

#[tokio::test(start_paused = true)]
async fn one_forgotten_by_force_while_it_starts_leaves_nothing_behind() {
    let bench = Bench::boot().await;
    bench.runtime.script("demo", |script| script.start = OnStart::RunsAfter(Duration::from_secs(5)));
    bench.apply_image("demo", json!({})).await;
    bench.until(|b| b.runtime.asked("demo").len() == 1).await;
    let first = bench.cell("demo");
    bench.fleet.forget_instance(&first).await;
    bench.until(|b| b.ready("demo") == 1).await;
    bench.pass(Duration::from_mins(1)).await;
    assert_eq!(bench.runtime.running("demo"), [bench.only("demo").id]);
    assert_ne!(bench.only("demo").id, first.id);
}
