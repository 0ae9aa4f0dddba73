//! An engine of the test's own, which can be frozen, killed and restarted without harm to others.

use std::process::{Child, Stdio};
use std::time::Duration;

use mcpd::runtime::docker::{DockerRuntime, Endpoint};
use mcpd::runtime::{Adoption, Exit, Runtime as _, RuntimeEvent};
use mcpd_core::name::InstanceId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::broadcast::Receiver;
use tokio::time::{Instant, sleep};

use super::engine::{Engine, program, skip};
use super::place::{Place, subject};
use crate::conformance::{Running, Subject, line, request, within};

/// With the 7 s that are promised, and one for a busy machine.
const FREEZE_NOTICED_WITHIN: Duration = Duration::from_secs(8);

/// A `dockerd` with folders of its own; ended by its drop.
struct Private {
    daemon: Child,
    folder: TempDir,
    engine: Engine,
}

impl Private {
    /// Only root can start one.
    async fn find() -> Option<Self> {
        Engine::find()?;
        if !nix::unistd::geteuid().is_root() || program("dockerd").arg("--version").output().is_err() {
            skip("only root can start an engine of its own, with dockerd");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("dk").tempdir().unwrap();
        let engine = Engine { endpoint: Endpoint::at(folder.path().join("engine.sock")) };
        let daemon = spawn(&folder, &engine);
        let private = Self { daemon, folder, engine };
        private.is_up().await;
        private.engine.make_image();
        Some(private)
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.daemon.id()).unwrap()), signal).unwrap();
    }

    /// Ends it, and starts the next.
    async fn restart(&mut self) {
        self.signal(Signal::SIGTERM);
        self.daemon.wait().unwrap();
        self.daemon = spawn(&self.folder, &self.engine);
        self.is_up().await;
    }

    async fn is_up(&self) {
        within(async {
            while !self.engine.is_there() {
                sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGTERM);
        let _ = self.daemon.wait();
    }
}

fn spawn(folder: &TempDir, engine: &Engine) -> Child {
    let path = |name: &str| folder.path().join(name);
    // In a network of its own: without a bridge it would remove that of the machine's engine.
    program("unshare")
        .args(["--net", "dockerd"])
        .args(["--bridge", "none", "--iptables=false", "--ip6tables=false", "--shutdown-timeout", "5", "-H"])
        .arg(engine.endpoint.to_string())
        .arg("--data-root")
        .arg(path("data"))
        .arg("--exec-root")
        .arg(path("exec"))
        .arg("-p")
        .arg(path("pid"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A server on that engine, known to be there.
async fn server(private: &Private, script: &str) -> (Place, Subject, Receiver<RuntimeEvent>, Running) {
    let place = Place::at(private.engine.clone());
    let subject = subject(place.config());
    let events = subject.runtime.subscribe();
    let started = subject.start("server", script).await;
    (place, subject, events, started)
}

async fn until(events: &mut Receiver<RuntimeEvent>, wanted: impl Fn(&RuntimeEvent) -> bool) -> RuntimeEvent {
    loop {
        let event = within(events.recv()).await.unwrap();
        if wanted(&event) {
            return event;
        }
    }
}

fn is_away(event: &RuntimeEvent) -> bool {
    matches!(event, RuntimeEvent::Away { .. })
}

fn is_back(event: &RuntimeEvent) -> bool {
    matches!(event, RuntimeEvent::Back { .. })
}

#[tokio::test]
async fn a_real_engine_that_freezes_is_noticed_and_takes_nothing_with_it() {
    let Some(private) = Private::find().await else { return };
    let (_place, subject, mut events, mut started) = server(&private, "cat").await;
    until(&mut events, is_back).await;
    private.signal(Signal::SIGSTOP);
    let frozen = Instant::now();
    until(&mut events, is_away).await;
    assert!(frozen.elapsed() < FREEZE_NOTICED_WITHIN, "{:?}", frozen.elapsed());
    private.signal(Signal::SIGCONT);
    until(&mut events, is_back).await;
    started.stdin.write_all(b"hello\n").await.unwrap();
    assert_eq!(line(&mut started).await, "hello");
    subject.stop("server").await;
}

#[tokio::test]
async fn a_real_engine_that_restarts_ends_its_containers_and_that_is_told() {
    let Some(mut private) = Private::find().await else { return };
    let (_place, subject, mut events, started) = server(&private, "echo up >&2; cat").await;
    until(&mut events, is_back).await;
    private.restart().await;
    let exited = |event: &RuntimeEvent| matches!(event, RuntimeEvent::Exited { .. });
    let RuntimeEvent::Exited { run, exit, stderr_tail, .. } = until(&mut events, exited).await else {
        unreachable!("an exit was waited for")
    };
    assert_eq!((run, stderr_tail.as_str()), (started.run, "up"));
    assert!(matches!(exit, Exit::Code(_)), "{exit:?}");
    // Told once, whatever is left of it.
    let id = InstanceId::new("server");
    within(async {
        while subject.runtime.adopt(&id).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(matches!(within(subject.runtime.adopt(&id)).await.unwrap(), Adoption::Nothing));
    let mut again = subject.start("server", "echo again; cat").await;
    assert_eq!(line(&mut again).await, "again");
    subject.stop("server").await;
}

#[tokio::test]
async fn an_engine_that_comes_up_later_is_found() {
    let Some(mut private) = Private::find().await else { return };
    let place = Place::at(private.engine.clone());
    private.signal(Signal::SIGTERM);
    private.daemon.wait().unwrap();
    let runtime = DockerRuntime::new(place.config());
    let mut events = runtime.subscribe();
    let absent = within(runtime.start(request("early", super::place::shell("cat")))).await;
    assert!(absent.is_err());
    until(&mut events, is_away).await;
    private.daemon = spawn(&private.folder, &private.engine);
    until(&mut events, is_back).await;
    let _started = within(runtime.start(request("early", super::place::shell("cat")))).await.unwrap();
    within(runtime.stop(&InstanceId::new("early"))).await.unwrap();
}
