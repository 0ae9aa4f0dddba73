//! An engine that goes away, freezes and comes back.

use std::sync::Arc;
use std::time::Duration;

use mcpd::runtime::docker::{DockerConfig, DockerRuntime, Endpoint, PING_DEADLINE, PING_EVERY};
use mcpd::runtime::{
    DOUBT_TIMEOUT, Exit, Isolation, LogQuery, Runtime as _, RuntimeError, RuntimeEvent, RuntimeKind, Sight,
    StartRequest,
};
use mcpd_core::name::InstanceId;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

use super::place::{Place, now, subject};
use super::relay::Relay;
use crate::conformance::{Subject, line, rest, within};

/// A place whose engine can be taken away.
struct Shaky {
    relay: Relay,
    subject: Subject,
    runtime: Arc<DockerRuntime>,
    place: Place,
}

impl Shaky {
    fn find() -> Option<Self> {
        let place = Place::find()?;
        let config = place.config();
        Some(Self::with(place, config))
    }

    fn with(place: Place, mut config: DockerConfig) -> Self {
        let relay = Relay::new(&place.engine.endpoint);
        config.endpoint = relay.endpoint();
        let runtime = Arc::new(DockerRuntime::new(config.clone()));
        let subject = Subject { runtime: Arc::clone(&runtime) as _, ..subject(config) };
        Self { relay, subject, runtime, place }
    }
}

/// The next event that is no exit of something else.
async fn next(events: &mut Receiver<RuntimeEvent>) -> RuntimeEvent {
    within(events.recv()).await.unwrap()
}

async fn away(events: &mut Receiver<RuntimeEvent>) -> String {
    match next(events).await {
        RuntimeEvent::Away { kind: RuntimeKind::Docker, reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

async fn back(events: &mut Receiver<RuntimeEvent>) {
    let event = next(events).await;
    assert!(matches!(event, RuntimeEvent::Back { kind: RuntimeKind::Docker, .. }), "{event:?}");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_when_it_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("no.sock");
    let mut config = Place::at(super::engine::Engine { endpoint: Endpoint::at(&path) }).config();
    config.endpoint = Endpoint::at(&path);
    let subject = subject(config);
    let mut events = subject.runtime.subscribe();
    within(subject.runtime.sweep(Vec::new())).await.unwrap();
    assert_eq!(subject.runtime.engines()[0].sight, Sight::Unneeded);
    let error = within(subject.runtime.start(subject.request("nowhere", "cat"))).await.unwrap_err();
    let expected = format!(
        "the container engine at unix://{} does not answer: No such file or directory (os error 2)",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(away(&mut events).await, "No such file or directory (os error 2)");
    assert!(matches!(within(subject.runtime.list()).await, Err(RuntimeError::EngineAway { .. })));
    assert!(matches!(subject.runtime.engines()[0].sight, Sight::Lost(_)));
}

#[tokio::test]
async fn an_engine_that_goes_away_takes_nothing_with_it() {
    let Some(shaky) = Shaky::find() else { return };
    let Shaky { relay, subject, runtime, place } = &shaky;
    let mut events = runtime.subscribe();
    let mut stays = subject.start("stays", "cat").await;
    back(&mut events).await;
    let ends = subject.start("ends", "read go; exit 3").await;
    let began = now();
    relay.cut();
    assert!(!away(&mut events).await.is_empty());
    assert_eq!(rest(&mut stays).await, "", "its streams end");
    let (id, asked) = (InstanceId::new("stays"), Instant::now());
    for refused in [
        within(runtime.list()).await.err(),
        within(runtime.stop(&id)).await.err(),
        within(runtime.reattach(&id, stays.run)).await.err(),
        within(runtime.start(subject.request("new", "cat"))).await.err(),
    ] {
        assert!(matches!(refused, Some(RuntimeError::EngineAway { .. })), "{refused:?}");
    }
    assert!(asked.elapsed() < Duration::from_secs(1), "who is away is not waited for");
    assert!(within(runtime.doubt(&id, began)).await.is_some());
    place.engine.docker(&["kill", "--signal", "KILL", &place.name("ends")]);
    relay.mend();
    let event = next(&mut events).await;
    let RuntimeEvent::Exited { run, exit, .. } = event else { panic!("{event:?}") };
    assert_eq!((run, exit), (ends.run, Exit::Code(137)), "the exit that was missed comes first");
    back(&mut events).await;
    let doubt = within(runtime.doubt(&id, began)).await;
    assert!(doubt.is_some_and(|words| words.contains("did not answer for a time")));
    assert_eq!(within(runtime.doubt(&id, now())).await, None);
    let streams = within(runtime.reattach(&id, stays.run)).await.unwrap().unwrap();
    let mcpd::runtime::Streams::Other { mut stdin, stdout } = streams else { panic!("no streams") };
    stays.stdout = stdout;
    stdin.write_all(b"hello\n").await.unwrap();
    assert_eq!((line(&mut stays).await, line(&mut stays).await), (String::new(), "hello".to_owned()));
    subject.stop("stays").await;
    subject.stop("ends").await;
    assert_eq!(place.names(), [""; 0]);
}

#[tokio::test]
async fn the_log_of_a_server_over_http_goes_on_after_the_return() {
    let Some(place) = Place::find() else { return };
    let config = place.networked();
    let shaky = Shaky::with(place, config);
    let Shaky { relay, subject, runtime, .. } = &shaky;
    let mut events = runtime.subscribe();
    let isolation = Isolation { port: Some(8080), ..Isolation::default() };
    let script = "i=0; while sleep 0.05; do i=$((i+1)); echo line $i; done";
    let started = runtime.start(StartRequest { isolation, ..subject.request("http", script) });
    within(started).await.unwrap();
    back(&mut events).await;
    relay.cut();
    away(&mut events).await;
    relay.mend();
    back(&mut events).await;
    let id = InstanceId::new("http");
    let before = runtime.logs(&id, LogQuery::default()).await.unwrap().len();
    within(async {
        while runtime.logs(&id, LogQuery::default()).await.unwrap().len() <= before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    subject.stop("http").await;
}

#[tokio::test]
async fn a_frozen_engine_is_noticed_and_comes_back() {
    let Some(shaky) = Shaky::find() else { return };
    let Shaky { relay, subject, runtime, .. } = &shaky;
    let mut events = runtime.subscribe();
    let mut started = subject.start("frozen", "cat").await;
    back(&mut events).await;
    let began = now();
    let frozen = Instant::now();
    relay.freeze();
    let words = within(runtime.doubt(&InstanceId::new("frozen"), began)).await.unwrap();
    assert!(words.contains("gave no answer within 3 s"), "{words}");
    let reason = away(&mut events).await;
    assert!(frozen.elapsed() < DOUBT_TIMEOUT + PING_EVERY + PING_DEADLINE, "{:?}", frozen.elapsed());
    assert_eq!(reason, "no answer within 4 s");
    relay.mend();
    back(&mut events).await;
    started.stdin.write_all(b"hello\n").await.unwrap();
    assert_eq!(line(&mut started).await, "hello", "a freeze breaks no streams");
    subject.stop("frozen").await;
}

#[tokio::test]
async fn a_start_that_an_engine_kept_to_itself_is_taken_over_later() {
    let Some(shaky) = Shaky::find() else { return };
    let Shaky { relay, subject, runtime, place } = &shaky;
    let mut events = runtime.subscribe();
    within(runtime.stop(&InstanceId::new("any"))).await.unwrap();
    back(&mut events).await;
    let start = runtime.start(subject.request("kept", "cat"));
    let cut = async {
        while place.names().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        relay.cut();
    };
    // Whether the start came first is chance, and makes no difference.
    let (started, ()) = within(async { tokio::join!(start, cut) }).await;
    drop(started);
    relay.mend();
    let _ = away(&mut events).await;
    while !matches!(next(&mut events).await, RuntimeEvent::Back { .. }) {}
    within(runtime.adopt(&InstanceId::new("kept"))).await.unwrap();
    subject.stop("kept").await;
    assert_eq!(place.names(), [""; 0]);
}
