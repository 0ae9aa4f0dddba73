//! What the runtime `docker` promises beyond the suite.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use mcpd::runtime::docker::DockerRuntime;
use mcpd::runtime::exec::Input;
use mcpd::runtime::{
    ExecEvent, ExecRequest, Exit, Isolation, Launch, Limits, Mount, Presence, Root, Runtime as _,
    RuntimeError, Sight, StartRequest, Streams,
};
use mcpd_core::name::InstanceId;
use mcpd_core::secret::SecretValue;
use mcpd_core::server::Revision;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::engine::IMAGE;
use super::place::{Place, image, subject};
use crate::conformance::{Running, exit, line, request, rest, within};

#[tokio::test]
async fn a_container_says_whose_it_is_and_is_held_in_bounds() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let request = StartRequest {
        revision: Revision { launch: "1aunch".to_owned(), secrets: Some("5ecret".to_owned()) },
        env: vec![("TOKEN".to_owned(), SecretValue::new("hunter22".to_owned()))],
        secret_names: vec!["TOKEN".to_owned()],
        limits: Limits { memory_mib: Some(64), cpus: Some(0.5), pids: Some(32) },
        ..subject.request("labels", "cat")
    };
    let started = within(subject.runtime.start(request)).await.unwrap();
    let container = started.container.clone().unwrap();
    assert_eq!((container.image.as_str(), container.port), (IMAGE, None));
    assert_eq!(started.handle.0, format!("docker:{}", container.id));
    let look = |format: &str| place.engine.inspect(&place.name("labels"), format);
    assert_eq!(look("{{.Id}}"), container.id);
    let labels: serde_json::Value = serde_json::from_str(&look("{{json .Config.Labels}}")).unwrap();
    let expected = serde_json::json!({
        "mcpd.owner": place.owner, "mcpd.server": "server", "mcpd.instance": "labels",
        "mcpd.launch": "1aunch", "mcpd.secrets": "5ecret", "mcpd.secret-env": "TOKEN",
    });
    assert_eq!(labels, expected);
    let host = "{{with .HostConfig}}{{.Init}} {{.CapDrop}} {{.SecurityOpt}} {{.Privileged}} \
        {{.RestartPolicy.Name}} {{.LogConfig.Type}} {{.Memory}} {{.MemorySwap}} {{.NanoCpus}} {{.PidsLimit}}{{end}}";
    let expected = "true [ALL] [no-new-privileges] false no none 67108864 67108864 500000000 32";
    assert_eq!(look(host), expected);
    assert_eq!(look("{{with .Config}}{{.OpenStdin}} {{.StdinOnce}} {{.Tty}}{{end}}"), "true false false");
    subject.stop("labels").await;
}

/// What a kill of mcpd in the midst of a start leaves: the kernel drops what is said to an init that has no handlers yet.
#[tokio::test]
async fn a_container_too_young_to_hear_that_it_is_to_end_is_told_again() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let mut events = subject.runtime.subscribe();
    let script = "trap '' TERM; echo ready; sleep 0.3; trap 'exit 3' TERM; while :; do sleep 0.01; done";
    let mut started = subject.start("young", script).await;
    assert_eq!(line(&mut started).await, "ready");
    subject.stop("young").await;
    assert_eq!(exit(&mut events, &started).await.0, Exit::Code(3));
}

#[tokio::test]
async fn a_foreign_container_of_our_name_is_left_alone_and_named() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let name = place.name("taken");
    let foreign = place.engine.docker(&["create", "--name", &name, IMAGE, "/bin/true"]);
    let error = within(subject.runtime.start(subject.request("taken", "cat"))).await.unwrap_err();
    subject.stop("taken").await;
    within(subject.runtime.remove(&InstanceId::new("taken"))).await.unwrap();
    let is_there = place.engine.inspect(&foreign, "{{.State.Status}}");
    place.engine.docker(&["rm", &foreign]);
    assert_eq!(is_there, "created");
    let error = error.to_string();
    assert!(error.starts_with(&format!("cannot create a container of image {IMAGE}: Conflict")), "{error}");
    assert!(error.contains(&name), "{error}");
}

#[tokio::test]
async fn a_leftover_of_ours_gives_way_to_the_next_start() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let (name, label) = (place.name("left"), format!("mcpd.owner={}", place.owner));
    let labels = ["--label", label.as_str(), "--label", "mcpd.instance=left"];
    let left =
        place.engine.docker(&[&["create", "--name", &name][..], &labels, &[IMAGE, "/bin/true"]].concat());
    let adoption = within(subject.runtime.adopt(&InstanceId::new("other"))).await;
    assert!(matches!(adoption, Ok(mcpd::runtime::Adoption::Nothing)), "{adoption:?}");
    let owned = within(subject.runtime.list()).await.unwrap();
    assert_eq!(
        owned.iter().map(|owned| (owned.run, owned.presence)).collect::<Vec<_>>(),
        [(0, Presence::Starting)]
    );
    let _started = subject.start("left", "cat").await;
    assert_ne!(place.engine.inspect(&name, "{{.Id}}"), left);
    subject.stop("left").await;
}

#[tokio::test]
async fn what_nobody_wants_is_listed_before_anything_needs_the_engine_and_nothing_else_is_touched() {
    let Some(place) = Place::find() else { return };
    let owner = format!("mcpd.owner={}", place.owner);
    let run = |instance: &str, owner: &str, script: &[&str]| {
        let label = format!("mcpd.instance={instance}");
        let name = format!("{}-{}", place.name(instance), owner.len());
        let args =
            ["run", "-d", "--network", "none", "--name", &name, "--label", owner, "--label", &label, IMAGE];
        place.engine.docker(&[&args[..], script].concat())
    };
    let foreign = run("orphan", &format!("{owner}-other"), &["/bin/sleep", "1000"]);
    run("orphan", &owner, &["/bin/sleep", "1000"]);
    let known = run("known", &owner, &["/bin/sleep", "1000"]);
    let exited = run("exited", &owner, &["/bin/true"]);
    let (runtime, orphan) = (place.runtime(), InstanceId::new("orphan"));
    within(runtime.sweep(Vec::new())).await.unwrap();
    let listed = within(runtime.list()).await.unwrap();
    assert_eq!(runtime.engines()[0].sight, Sight::Unneeded);
    within(runtime.remove(&orphan)).await.unwrap();
    let foreign_state = place.engine.inspect(&foreign, "{{.State.Status}}");
    place.engine.docker(&["rm", "-f", &foreign]);
    assert_eq!(listed.len(), 3);
    assert!(listed.iter().any(|owned| owned.instance == orphan));
    assert_eq!(foreign_state, "running");
    assert_eq!(place.engine.inspect(&known, "{{.State.Status}}"), "running");
    assert_eq!(place.engine.inspect(&exited, "{{.State.Status}}"), "exited");
    assert_eq!(place.names().len(), 2);
}

#[tokio::test]
async fn what_a_person_does_to_a_container_is_an_exit_or_nothing() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    for (instance, command) in [("removed", &["rm", "-f"][..]), ("killed", &["kill"])] {
        let mut events = subject.runtime.subscribe();
        let started = subject.start(instance, "cat").await;
        place.engine.docker(&[command, &[&place.name(instance)]].concat());
        assert_eq!(exit(&mut events, &started).await.0, Exit::Code(137), "{instance}");
    }
    let mut events = subject.runtime.subscribe();
    let mut started = subject.start("paused", "echo ready; cat").await;
    assert_eq!(line(&mut started).await, "ready");
    place.engine.docker(&["pause", &place.name("paused")]);
    let presence =
        |owned: Vec<mcpd::runtime::Owned>| owned.iter().map(|owned| owned.presence).collect::<Vec<_>>();
    assert_eq!(presence(within(subject.runtime.list()).await.unwrap()), [Presence::Running]);
    place.engine.docker(&["unpause", &place.name("paused")]);
    started.stdin.write_all(b"still here\n").await.unwrap();
    assert_eq!(line(&mut started).await, "still here");
    place.engine.docker(&["pause", &place.name("paused")]);
    subject.stop("paused").await;
    assert_eq!(exit(&mut events, &started).await.0, Exit::Code(143));
    assert_eq!(place.names(), [""; 0]);
}

#[tokio::test]
async fn a_server_that_takes_too_much_memory_is_said_to_have() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let mut events = subject.runtime.subscribe();
    let request = StartRequest {
        limits: Limits { memory_mib: Some(16), ..Limits::default() },
        ..subject.request("greedy", "x=aaaaaaaa; while :; do x=$x$x; done")
    };
    let started = subject.run(request).await;
    assert_eq!(exit(&mut events, &started).await.0, Exit::OutOfMemory);
}

#[tokio::test]
async fn a_program_that_is_not_in_the_image_is_named_by_the_last_words() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let mut events = subject.runtime.subscribe();
    let started = subject.run(request("missing", image(IMAGE, &["no-such-program"]))).await;
    let (exit, words) = exit(&mut events, &started).await;
    assert_eq!(exit, Exit::Code(127));
    assert!(words.contains("exec no-such-program failed: No such file or directory"), "{words}");
}

#[tokio::test]
async fn a_start_that_fails_says_why_in_the_engines_words_and_leaves_nothing() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let mount = Mount { source: "/no/such/folder".to_owned(), target: "/data".to_owned(), read_only: true };
    let isolation = Isolation { mounts: vec![mount], ..Isolation::default() };
    let bad_mount = StartRequest { isolation, ..subject.request("mount", "cat") };
    let error = within(subject.runtime.start(bad_mount)).await.unwrap_err().to_string();
    assert!(error.contains("bind source path does not exist: /no/such/folder"), "{error}");
    // The engine finds out only when it starts the container.
    let isolation = Isolation { port: Some(8080), ..Isolation::default() };
    let no_port = StartRequest { isolation, ..subject.request("port", "cat") };
    let error = within(subject.runtime.start(no_port)).await.unwrap_err().to_string();
    assert_eq!(error, format!("cannot start {IMAGE:?}: the engine published no port"));
    let command = StartRequest {
        launch: Launch::Command { argv: vec!["sh".to_owned()] },
        ..request("host", image("", &[]))
    };
    let error = within(subject.runtime.start(command)).await.unwrap_err().to_string();
    assert_eq!(error, "cannot start \"sh\": no image is configured to run it in a container");
    assert_eq!(place.names(), [""; 0]);
}

#[tokio::test]
async fn a_port_is_reached_on_loopback_over_a_network_that_is_made() {
    let Some(place) = Place::find() else { return };
    // Two at once want the network, which is made once.
    let (one, two) = (subject(place.networked()), subject(place.networked()));
    let listening = |subject: &crate::conformance::Subject, instance: &str| {
        let isolation = Isolation { port: Some(8080), ..Isolation::default() };
        StartRequest { isolation, ..subject.request(instance, "mkdir /www; exec httpd -f -p 8080 -h /bin") }
    };
    let started = within(async {
        tokio::join!(
            one.runtime.start(listening(&one, "one")),
            one.runtime.start(listening(&one, "other")),
            two.runtime.start(listening(&two, "two"))
        )
    })
    .await;
    let networks =
        place.engine.docker(&["network", "ls", "--filter", &format!("name={}", place.network()), "-q"]);
    let mut reached = Vec::new();
    if let (Ok(one), Ok(other), Ok(two)) = &started {
        for started in [one, other, two] {
            let Streams::Http { address } = started.streams else { panic!("no address") };
            assert_eq!(started.container.as_ref().unwrap().port, Some(address.port()));
            assert!(address.ip().is_loopback());
            reached.push(reach(address).await);
        }
    }
    let third = subject(place.networked());
    let adoption = within(third.runtime.adopt(&InstanceId::new("two"))).await.unwrap();
    for (subject, instance) in [(&one, "one"), (&one, "other"), (&two, "two")] {
        subject.stop(instance).await;
    }
    assert_eq!(reached, [true; 3], "{started:?}");
    let mcpd::runtime::Adoption::Running(adopted) = adoption else { panic!("{adoption:?}") };
    assert_eq!(adopted.started.container, started.2.unwrap().container);
    assert_eq!(networks.lines().count(), 1);
}

/// Whether somebody listens there before long.
async fn reach(address: std::net::SocketAddr) -> bool {
    within(async {
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
        true
    })
    .await
}

#[tokio::test]
async fn a_read_only_root_can_be_written_to_nowhere_but_in_tmp() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let isolation = Isolation { root: Root::ReadOnly, ..Isolation::default() };
    let script = "touch /bin/a 2>/dev/null && echo root; touch /tmp/a && echo tmp; cat";
    let mut started = subject.run(StartRequest { isolation, ..subject.request("root", script) }).await;
    assert_eq!(line(&mut started).await, "tmp");
    subject.stop("root").await;
}

#[tokio::test]
async fn a_command_runs_beside_a_server_and_nowhere_else() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let _started = subject.start("exec", "cat").await;
    let words = ["/bin/sh", "-c", "echo here; exit 4"].map(str::to_owned).to_vec();
    let command = || ExecRequest { command: words.clone(), tty: None, input: Input::Closed };
    let exec = within(subject.runtime.exec(&InstanceId::new("exec"), command())).await.unwrap();
    let said: Vec<_> = within(exec.output.collect()).await;
    assert_eq!(said, [ExecEvent::Stdout("here\n".into()), ExecEvent::Exited(4)]);
    subject.stop("exec").await;
    let error = within(subject.runtime.exec(&InstanceId::new("exec"), command())).await.unwrap_err();
    assert!(matches!(error, RuntimeError::NoExec { .. }), "{error}");
}

#[tokio::test]
async fn a_start_that_is_given_up_in_any_step_leaves_nothing() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    for patience_ms in [20, 50, 100, 200, 300, 400, 600] {
        let start = subject.runtime.start(subject.request("given-up", "cat"));
        let _ = timeout(Duration::from_millis(patience_ms), start).await;
        subject.stop("given-up").await;
        assert_eq!(place.names(), [""; 0], "{patience_ms} ms");
    }
}

#[tokio::test]
async fn a_stop_breaks_off_a_start() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let start = subject.runtime.start(subject.request("stopped", "cat"));
    let stop = async {
        while within(subject.runtime.list()).await.unwrap().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        subject.stop("stopped").await;
    };
    let (started, ()) = within(async { tokio::join!(start, stop) }).await;
    let is_told = matches!(started, Ok(_) | Err(RuntimeError::StoppedWhileStarting { .. }));
    assert!(is_told, "{started:?}");
    assert_eq!(place.names(), [""; 0]);
}

#[tokio::test]
async fn an_engine_that_nobody_needs_is_not_watched() {
    let Some(place) = Place::find() else { return };
    let runtime = place.runtime();
    assert_eq!(within(runtime.list()).await.unwrap(), []);
    within(runtime.sweep(Vec::new())).await.unwrap();
    assert_eq!(runtime.engines()[0].sight, Sight::Unneeded);
    within(runtime.stop(&InstanceId::new("any"))).await.unwrap();
    let Sight::Seen(name) = &runtime.engines()[0].sight else { panic!("not seen") };
    assert!(name.contains(' '), "{name}");
}

#[tokio::test]
async fn what_ends_at_once_has_its_words_and_its_code() {
    let Some(place) = Place::find() else { return };
    let subject = place.subject();
    let mut events = subject.runtime.subscribe();
    for number in 0..5 {
        let mut started: Running =
            subject.start("brief", &format!("echo out; echo {number} >&2; exit 3")).await;
        assert_eq!(exit(&mut events, &started).await, (Exit::Code(3), number.to_string()));
        assert_eq!(rest(&mut started).await, "out\n");
    }
}

#[tokio::test]
async fn values_of_the_environment_are_in_no_log() {
    let Some(place) = Place::find() else { return };
    let said = Said::default();
    let writer = said.clone();
    let log =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let _log = tracing::subscriber::set_default(log.finish());
    let subject = place.subject();
    let mut events = subject.runtime.subscribe();
    let token = SecretValue::new("hunter22-hunter22".to_owned());
    let request = |script: &str| StartRequest {
        env: vec![("TOKEN".to_owned(), token.clone())],
        secret_names: vec!["TOKEN".to_owned()],
        redactor: mcpd_core::secret::Redactor::new([&token]),
        ..subject.request("silent", script)
    };
    let started = subject.run(request("echo $TOKEN >&2; exit 1")).await;
    let (_, words) = exit(&mut events, &started).await;
    assert_eq!(words, mcpd_core::secret::MASK);
    let _started = subject.run(request("cat")).await;
    within(subject.runtime.leave(&InstanceId::new("silent"))).await.unwrap();
    within(subject.runtime.adopt(&InstanceId::new("silent"))).await.unwrap();
    subject.stop("silent").await;
    let said = String::from_utf8(said.0.lock().unwrap().clone()).unwrap();
    assert!(said.contains("the container engine answers"), "{said}");
    assert!(!said.contains("hunter22"), "{said}");
}

/// What was logged.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_runtime_that_is_dropped_lets_its_containers_run() {
    let Some(place) = Place::find() else { return };
    let runtime: DockerRuntime = DockerRuntime::new(place.config());
    let started = within(runtime.start(place.subject().request("left", "cat"))).await.unwrap();
    drop((runtime, started));
    assert_eq!(place.engine.inspect(&place.name("left"), "{{.State.Status}}"), "running");
}
