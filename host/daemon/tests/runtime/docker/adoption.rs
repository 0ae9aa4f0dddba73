//! A container outlives its mcpd: what the next one finds and takes over.

use std::time::Duration;

use mcpd::runtime::{Adopted, Adoption, Attempt, Exit, LogQuery, Runtime, StartRequest};
use mcpd_core::name::InstanceId;
use mcpd_core::secret::{MASK, SecretValue};
use mcpd_core::server::Revision;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::engine::IMAGE;
use super::place::Place;
use crate::conformance::{Running, Subject, exit, line, within};

async fn adopt(subject: &Subject, instance: &str) -> Adoption {
    within(subject.runtime.adopt(&InstanceId::new(instance))).await.unwrap()
}

async fn adopted(subject: &Subject, instance: &str) -> Adopted {
    match adopt(subject, instance).await {
        Adoption::Running(adopted) => *adopted,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_runs_is_taken_over_with_all_that_was_known_of_it() {
    let Some(place) = Place::find() else { return };
    let revision = Revision { launch: "1aunch".to_owned(), secrets: Some("5ecret".to_owned()) };
    let first = place.subject();
    let script = "while read line; do echo \"got $line\"; echo \"token is $TOKEN, not $PLAIN\" >&2; done";
    let secret = |name: &str, value: &str| (name.to_owned(), SecretValue::new(value.to_owned()));
    let request = StartRequest {
        env: vec![secret("TOKEN", "hunter22-hunter22"), secret("PLAIN", "plain-plain")],
        secret_names: vec!["TOKEN".to_owned()],
        revision: revision.clone(),
        ..first.request("adopted", script)
    };
    let started = within(first.runtime.start(request)).await.unwrap();
    let container = started.container.clone().unwrap();
    let mut half = Running::from(started);
    half.stdin.write_all(b"half a li").await.unwrap();
    // As after a kill: the streams break, and nobody says goodbye.
    drop((first, half));
    let second = place.subject();
    let adopted = adopted(&second, "adopted").await;
    assert_eq!(adopted.started.container.as_ref(), Some(&container));
    assert_eq!(adopted.revision, revision);
    assert_eq!(adopted.redactor.mask("hunter22-hunter22 plain-plain"), format!("{MASK} plain-plain"));
    let since = place.engine.inspect(&container.id, "{{.State.StartedAt}}");
    assert_eq!(adopted.since, since.parse().unwrap());
    let mut events = second.runtime.subscribe();
    let mut running = Running::from(adopted.started);
    running.stdin.write_all(b"whole\n").await.unwrap();
    assert_eq!(line(&mut running).await, "got half a li");
    assert_eq!(line(&mut running).await, "got whole");
    second.stop("adopted").await;
    let (_, words) = exit(&mut events, &running).await;
    assert!(words.ends_with(&format!("token is {MASK}, not plain-plain")), "{words}");
}

#[tokio::test]
async fn what_ended_while_nobody_watched_is_removed_and_told_once() {
    let Some(place) = Place::find() else { return };
    let first = place.subject();
    let mut started = first.start("ended", "read go; exit 3").await;
    let second = place.subject();
    within(first.runtime.leave(&InstanceId::new("ended"))).await.unwrap();
    started.stdin.write_all(b"go\n").await.unwrap();
    place.engine.docker(&["wait", &place.name("ended")]);
    assert!(matches!(adopt(&second, "ended").await, Adoption::Ended(Exit::Code(3))));
    assert_eq!(place.names(), [""; 0]);
    assert!(matches!(adopt(&second, "ended").await, Adoption::Nothing));
}

#[tokio::test]
async fn what_was_never_started_is_removed_without_a_word() {
    let Some(place) = Place::find() else { return };
    let (name, owner) = (place.name("made"), format!("mcpd.owner={}", place.owner));
    let labels = ["--label", owner.as_str(), "--label", "mcpd.instance=made"];
    place.engine.docker(&[&["create", "--name", &name][..], &labels, &[IMAGE, "/bin/true"]].concat());
    assert!(matches!(adopt(&place.subject(), "made").await, Adoption::Nothing));
    assert_eq!(place.names(), [""; 0]);
}

#[tokio::test]
async fn a_run_that_nobody_holds_is_taken_over_by_the_same_mcpd() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let first = subject.start("again", "cat").await;
    let (number, handle) = (first.run, first.handle.clone());
    drop(first);
    let mut events = subject.runtime.subscribe();
    let mut again = Running::from(adopted(&subject, "again").await.started);
    assert_ne!(again.run, number);
    assert_eq!(again.handle, handle);
    again.stdin.write_all(b"hello\n").await.unwrap();
    // The end of a line that might have been half written came before it.
    assert_eq!((line(&mut again).await, line(&mut again).await), (String::new(), "hello".to_owned()));
    subject.stop("again").await;
    exit(&mut events, &again).await;
}

#[tokio::test]
async fn a_run_that_is_left_goes_on_and_is_no_exit() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let mut events = subject.runtime.subscribe();
    let _started = subject.start("left", "echo words >&2; cat").await;
    within(subject.runtime.leave(&InstanceId::new("left"))).await.unwrap();
    assert_eq!(place.engine.inspect(&place.name("left"), "{{.State.Status}}"), "running");
    let query = LogQuery { tail: None, attempt: Attempt::Current };
    within(subject.runtime.logs(&InstanceId::new("left"), query)).await.unwrap();
    let next = place.subject();
    let running = Running::from(adopted(&next, "left").await.started);
    let mut heard = next.runtime.subscribe();
    next.stop("left").await;
    exit(&mut heard, &running).await;
    assert!(events.is_empty() || events.try_recv().is_ok_and(|event| !is_exit(&event)));
}

fn is_exit(event: &mcpd::runtime::RuntimeEvent) -> bool {
    matches!(event, mcpd::runtime::RuntimeEvent::Exited { .. })
}

#[tokio::test]
async fn broken_streams_of_a_run_are_replaced_while_it_goes_on() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let runtime: &dyn Runtime = &*subject.runtime;
    let mut started = subject.start("streams", "cat").await;
    let (run, id) = (started.run, InstanceId::new("streams"));
    started.stdin.write_all(b"half").await.unwrap();
    let mut half = [0; 4];
    within(started.stdout.read_exact(&mut half)).await.unwrap();
    let streams = within(runtime.reattach(&id, run)).await.unwrap().unwrap();
    let mcpd::runtime::Streams::Other { mut stdin, stdout } = streams else { panic!("no streams") };
    stdin.write_all(b"whole\n").await.unwrap();
    started.stdout = stdout;
    assert_eq!((line(&mut started).await, line(&mut started).await), (String::new(), "whole".to_owned()));
    assert!(within(runtime.reattach(&id, run + 1)).await.unwrap().is_none(), "another run");
    subject.stop("streams").await;
    assert!(within(runtime.reattach(&id, run)).await.unwrap().is_none(), "it is over");
}

#[tokio::test]
async fn a_start_that_died_with_its_mcpd_at_any_moment_is_taken_over_or_gives_way() {
    let Some(place) = Place::find() else { return };
    for delay_ms in [0, 5, 10, 20, 40, 60, 80, 100, 150, 200, 300, 400] {
        die_while_starting(&place, Duration::from_millis(delay_ms));
        let next = place.subject();
        let mut running = match adopt(&next, "cut-off").await {
            Adoption::Running(adopted) => Running::from(adopted.started),
            Adoption::Nothing => next.start("cut-off", "cat").await,
            other @ Adoption::Ended(_) => panic!("{other:?} after {delay_ms} ms"),
        };
        assert_eq!(place.names(), [place.name("cut-off")], "after {delay_ms} ms");
        running.stdin.write_all(b"hello\n").await.unwrap();
        while line(&mut running).await != "hello" {}
        next.stop("cut-off").await;
        assert_eq!(place.names(), [""; 0], "after {delay_ms} ms");
    }
}

/// An mcpd that is gone after this time: its tasks stop where they are, and its connections close.
fn die_while_starting(place: &Place, after: Duration) {
    let mcpd = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let subject = place.subject();
    mcpd.spawn(async move {
        let _held = subject.runtime.start(subject.request("cut-off", "cat")).await;
        std::future::pending::<()>().await;
    });
    std::thread::sleep(after);
    mcpd.shutdown_background();
}
