//! Attachments to containers that end while these run on (behaviour 7.2, 7.6).

use std::time::Duration;

use mcpd_core::time::between;
use serde_json::json;

use crate::driver::test_support::{Bench, has_event, wait_of};
use crate::router::RouteError;
use crate::runtime::Exit;
use crate::runtime::fake::{Attachments, FakeRuntime, Greeting, OnAttach, OnCall, OnStart, OnStop, Place};

async fn ready_bench() -> Bench {
    let bench = Bench::boot().await;
    bench.apply_image("demo", json!({"healthCheck": {"tool": "whoami"}})).await;
    bench.until_ready("demo", 1).await;
    bench
}

#[tokio::test(start_paused = true)]
async fn rule_7_2_an_attachment_that_ends_is_made_anew_and_the_server_greeted_again() {
    let bench = ready_bench().await;
    let (before, now) = (bench.only("demo"), bench.now());
    bench.runtime.detach(&before.id);
    bench.until(|b| b.ready("demo") == 0).await;
    bench.until_ready("demo", 1).await;
    let words = "attachment to its container ended";
    assert!(has_event(&bench.only("demo"), "ConnectionFailed", words));
    assert!(between(now, bench.now()) < Duration::from_secs(1));
    let instance = bench.only("demo");
    assert_eq!((instance.id, instance.restarts, instance.attempts.count), (before.id, 0, 0));
    assert_eq!(bench.runtime.asked("demo").len(), 1);
    assert_eq!(bench.runtime.received("initialize").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn rule_7_6_a_call_under_way_at_an_attachment_that_ends_ends_with_it_and_is_not_sent_again() {
    let bench = ready_bench().await;
    bench.runtime.tool("demo", "long", OnCall::Silent);
    let params = serde_json::value::to_raw_value(&json!({"name": "long", "arguments": {}})).unwrap();
    let server = bench.server("demo");
    let call = bench.router.call(&server, None, "tools/call", Some(&params), Duration::from_hours(1));
    let sent = bench.runtime.received("tools/call").len();
    let before = bench.now();
    let end = async {
        bench.until(|b| b.runtime.received("tools/call").len() == sent + 1).await;
        bench.runtime.detach(&bench.only("demo").id);
    };
    let (answer, ()) = tokio::join!(call, end);
    let Err(RouteError::Call { source, .. }) = answer else { panic!("{answer:?}") };
    assert!(source.to_string().contains("connection lost while tools/call was under way"), "{source}");
    assert!(between(before, bench.now()) < Duration::from_secs(1));
    bench.until_ready("demo", 1).await;
    assert_eq!(bench.runtime.received("tools/call").len(), sent + 2, "the check of the new connection alone");
}

#[tokio::test(start_paused = true)]
async fn rule_7_2_one_that_refuses_the_second_handshake_is_started_again_at_once() {
    let bench = ready_bench().await;
    bench.runtime.script("demo", |script| script.second_greeting = Greeting::Refuses("only once"));
    let id = bench.only("demo").id;
    bench.runtime.detach(&id);
    bench.until(|b| b.runtime.asked("demo").len() == 2 && b.ready("demo") == 1).await;
    let instance = bench.only("demo");
    assert_eq!((instance.id.clone(), instance.restarts, instance.attempts.count), (id, 1, 0));
    assert!(has_event(&instance, "Stopping", "it took no second handshake"));
    assert!(has_event(&instance, "Stopping", "only once"));
    assert_eq!(bench.runtime.peak("demo"), 1);
}

#[tokio::test(start_paused = true)]
async fn rule_5_3_one_to_be_started_again_that_cannot_be_stopped_has_nothing_started_in_its_place() {
    let bench = ready_bench().await;
    bench.runtime.script("demo", |script| {
        script.second_greeting = Greeting::Refuses("only once");
        script.stop = OnStop::Fails;
    });
    bench.runtime.detach(&bench.only("demo").id);
    bench.until_some("demo", |i| has_event(i, "StopFailed", "")).await;
    bench.pass(Duration::from_mins(2)).await;
    assert_eq!((bench.statuses("demo"), bench.runtime.asked("demo").len()), (vec!["STOPPING"], 1));
    bench.runtime.script("demo", |script| script.stop = OnStop::Ends);
    bench.until_ready("demo", 1).await;
    assert_eq!((bench.runtime.peak("demo"), bench.only("demo").restarts), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn silence_behind_a_frozen_engine_is_not_taken_for_a_refusal() {
    let bench = ready_bench().await;
    let id = bench.only("demo").id;
    bench.runtime.script("demo", |script| script.second_greeting = Greeting::Silent);
    bench.runtime.detach(&id);
    bench.until(|b| b.runtime.received("initialize").len() == 2).await;
    bench.runtime.go_away_unnoticed("frozen", Attachments::Hang);
    bench.pass(Duration::from_secs(15)).await;
    assert_eq!(bench.statuses("demo"), ["RUNNING"]);
    bench.runtime.script("demo", |script| script.second_greeting = Greeting::Answers);
    bench.runtime.come_back();
    bench.until_ready("demo", 1).await;
    assert_eq!((bench.only("demo").id, bench.only("demo").restarts), (id, 0));
}

#[tokio::test(start_paused = true)]
async fn one_whose_attachments_all_end_at_once_is_ended_in_these_words_and_that_is_a_failed_attempt() {
    let bench = ready_bench().await;
    bench.runtime.script("demo", |script| script.attach = OnAttach::EndsAtOnce);
    let before = bench.now();
    bench.runtime.detach(&bench.only("demo").id);
    let instance = bench.until_instance("demo", |i| i.restarts == 1).await;
    let words = "no answer over 10 attachments in a row: the attachment to its container ended";
    assert!(has_event(&instance, "Stopping", words), "{:#?}", instance.events);
    assert_eq!(instance.error().unwrap().message, words);
    assert!((20..40).contains(&between(before, bench.now()).as_secs()));
    assert_eq!((instance.attempts.count, bench.runtime.reattachments().len()), (1, 10));
    bench.until(|b| b.runtime.asked("demo").len() == 2).await;
    assert_eq!(bench.runtime.peak("demo"), 1, "the old one is gone before the next starts");
}

#[tokio::test(start_paused = true)]
async fn rule_6_8_attachments_that_end_while_the_engine_is_in_trouble_say_nothing_of_the_server() {
    let bench = ready_bench().await;
    let before = bench.only("demo");
    bench.runtime.script("demo", |script| script.attach = OnAttach::EndsAtOnce);
    bench.runtime.is_in_trouble(Some("it took 4 s for a ping"));
    bench.runtime.detach(&before.id);
    bench.until(|b| b.runtime.reattachments().len() > 30).await;
    let instance = bench.only("demo");
    assert_eq!((instance.status(), instance.restarts), ("RUNNING", 0));
    let words = "the attachment to its container ended: it took 4 s for a ping";
    assert!(has_event(&instance, "ConnectionFailed", words), "{:#?}", instance.events);
    bench.runtime.is_in_trouble(None);
    bench.runtime.script("demo", |script| script.attach = OnAttach::Works);
    bench.until_ready("demo", 1).await;
    assert_eq!((bench.only("demo").id, bench.only("demo").restarts), (before.id, 0));
}

#[tokio::test(start_paused = true)]
async fn rule_7_2_a_slow_start_is_given_its_time_over_a_new_attachment_and_by_the_next_mcpd_too() {
    let bench = Bench::boot().await;
    let silent = |fake: &FakeRuntime| {
        fake.script("demo", |script| {
            (script.greeting, script.second_greeting) = (Greeting::Silent, Greeting::Silent);
        });
    };
    silent(&bench.runtime);
    bench.apply_image("demo", json!({})).await;
    bench.until(|b| b.runtime.received("initialize").len() == 1).await;
    let id = bench.only("demo").id;
    bench.runtime.detach(&id);
    bench.until(|b| b.runtime.received("initialize").len() == 2).await;
    bench.pass(Duration::from_mins(1)).await;
    assert_eq!((bench.statuses("demo"), bench.runtime.reattachments().len()), (vec!["RUNNING"], 1));
    let bench = bench.crash_while(silent).await;
    bench.until(|b| b.runtime.received("initialize").len() == 1).await;
    bench.pass(Duration::from_mins(1)).await;
    assert_eq!((bench.only("demo").id, bench.statuses("demo")), (id, vec!["RUNNING"]));
    assert_eq!((bench.only("demo").restarts, bench.runtime.asked("demo").len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn rule_4_one_that_takes_no_second_handshake_is_started_at_once_only_once_until_it_is_ready_again() {
    for second in [Greeting::Refuses("only once"), Greeting::Exits("only once")] {
        let bench = ready_bench().await;
        bench.runtime.script("demo", |script| script.second_greeting = second);
        bench.runtime.tool("demo", "whoami", OnCall::ToolError("no"));
        let is_connected = |b: &Bench| b.only("demo").connected_since().is_some();
        bench.runtime.detach(&bench.only("demo").id);
        bench.until(|b| b.runtime.asked("demo").len() == 2 && is_connected(b)).await;
        assert_eq!(bench.only("demo").attempts.count, 0);
        bench.runtime.detach(&bench.only("demo").id);
        let instance = bench.until_instance("demo", |i| i.attempts.count == 1).await;
        assert!((30..=33).contains(&wait_of(&instance)), "{instance:#?}");
        bench.runtime.tool("demo", "whoami", OnCall::Text("ok"));
        bench.until_ready("demo", 1).await;
        bench.runtime.detach(&bench.only("demo").id);
        bench.until(|b| b.runtime.asked("demo").len() == 4 && b.ready("demo") == 1).await;
        assert_eq!(bench.only("demo").attempts.count, 1, "Ready again, it had the chance again");
    }
}

#[tokio::test(start_paused = true)]
async fn attachments_that_end_now_and_then_are_counted_anew_after_each_that_served() {
    let bench = ready_bench().await;
    for _ in 0..15 {
        let before = bench.now();
        bench.runtime.detach(&bench.only("demo").id);
        bench.until(|b| b.ready("demo") == 0).await;
        bench.until_ready("demo", 1).await;
        assert!(between(before, bench.now()) < Duration::from_millis(300));
    }
    assert_eq!(bench.only("demo").restarts, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_can_attach_to_a_second_time_is_ended_and_tried_again() {
    let bench = ready_bench().await;
    bench.runtime.script("demo", |script| script.attach = OnAttach::Never);
    bench.runtime.detach(&bench.only("demo").id);
    bench.until(|b| b.runtime.asked("demo").len() == 2 && b.ready("demo") == 1).await;
    let instance = bench.only("demo");
    assert_eq!((instance.restarts, instance.attempts.count, bench.runtime.peak("demo")), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_exit_ends_the_attachment_and_is_told_as_an_exit() {
    let bench = ready_bench().await;
    let id = bench.only("demo").id;
    bench.runtime.script("demo", |script| script.start = OnStart::Fails("no"));
    bench.runtime.exit(&id, Exit::Code(3), "last words");
    let instance = bench.until_instance("demo", |i| i.attempts.count == 2).await;
    assert!(has_event(&instance, "Exited", "exited with code 3: last words"));
    assert!(!has_event(&instance, "ConnectionFailed", ""), "once: {:#?}", instance.events);
    assert!(bench.runtime.reattachments().is_empty());
    assert!((30..=33).contains(&wait_of(&instance)));
}

#[tokio::test(start_paused = true)]
async fn an_exit_that_is_told_later_than_its_streams_end_is_told_once_and_shown_at_once() {
    for place in [Place::Container, Place::Process] {
        let bench = Bench::boot().await;
        bench.runtime.script("demo", |script| script.place = place);
        match place {
            Place::Process => bench.apply("demo", json!({})).await,
            _ => bench.apply_image("demo", json!({})).await,
        }
        bench.until_ready("demo", 1).await;
        let id = bench.only("demo").id;
        bench.runtime.script("demo", |script| script.attach = OnAttach::Never);
        bench.runtime.detach(&id);
        if place == Place::Process {
            bench.runtime.hang_up(&id);
        }
        bench.until(|b| b.ready("demo") == 0).await;
        bench.pass(Duration::from_millis(500)).await;
        assert_eq!((bench.statuses("demo"), bench.only("demo").connected_since()), (vec!["RUNNING"], None));
        bench.runtime.exit(&id, Exit::Code(3), "last words");
        let instance = bench.until_instance("demo", |i| i.restarts == 1).await;
        assert!(has_event(&instance, "Exited", "exited with code 3: last words"));
        assert!(!has_event(&instance, "ConnectionFailed", ""), "{:#?}", instance.events);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_an_attachment() {
    let bench = ready_bench().await;
    bench.runtime.script("demo", |script| script.attach = OnAttach::EndsAtOnce);
    bench.runtime.detach(&bench.only("demo").id);
    bench.until(|b| b.runtime.reattachments().len() == 3).await;
    let before = bench.now();
    bench.delete("demo").await;
    bench.until(|b| b.context.board.find_server("demo").is_none()).await;
    assert!(between(before, bench.now()) < Duration::from_secs(4));
    let tried = bench.runtime.reattachments().len();
    bench.pass(Duration::from_mins(1)).await;
    assert_eq!(bench.runtime.reattachments().len(), tried);
}
