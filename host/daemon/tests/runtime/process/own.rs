//! What the runtime `process` promises beyond the suite.

use std::os::unix::fs::PermissionsExt as _;
use std::{fs, io};

use futures::future::join_all;
use mcpd::runtime::{Exit, Launch, LogQuery, StartRequest};
use mcpd_core::name::InstanceId;
use mcpd_core::secret::SecretValue;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::place::{Place, command, config, is_there, marked, marker, parent, subject};
use crate::conformance::{TREE, exit, line, request, rest, within};

#[tokio::test]
async fn the_environment_is_exactly_the_clean_one() {
    let place = Place::new();
    let mut config = config(place.path());
    let parent =
        [("PATH", "/usr/bin:/bin"), ("MCPD_TOKEN", "t"), ("SECRET_A", "s"), ("EDITOR", "ed"), ("A", "1")];
    config.parent_env = parent.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    config.pass_env = ["EDITOR", "SECRET_A"].map(str::to_owned).to_vec();
    config.withheld = std::sync::Arc::new(|| vec!["SECRET_".to_owned()]);
    let request = StartRequest {
        env: vec![("TOKEN".to_owned(), SecretValue::new("two\nlines".to_owned()))],
        ..request("env", command(&["env"]))
    };
    // Held to the end: a runtime that is dropped ends what it runs.
    let subject = subject(config);
    let mut started = subject.run(request).await;
    let text = rest(&mut started).await;
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["EDITOR=ed", "PATH=/usr/bin:/bin", "TOKEN=two", "lines"]);
}

#[tokio::test]
async fn values_of_the_environment_show_in_no_argument() {
    let place = Place::new();
    let subject = place.subject();
    let marker = &marker(100);
    let request = StartRequest {
        env: vec![("TOKEN".to_owned(), SecretValue::new(marker.to_owned()))],
        ..subject.request("argv", "cat")
    };
    let _started = subject.run(request).await;
    assert_eq!(marked(marker), []);
    subject.stop("argv").await;
}

#[tokio::test]
async fn a_server_holds_nothing_of_its_guardian() {
    let place = Place::new();
    let subject = place.subject();
    let list = request("files", command(&["ls", "/proc/self/fd"]));
    let mut started = subject.run(list).await;
    assert_eq!(rest(&mut started).await, "0\n1\n2\n3\n", "3 is the folder that ls reads");
    let blocked = request("signals", command(&["grep", "SigBlk", "/proc/self/status"]));
    let mut started = subject.run(blocked).await;
    assert_eq!(rest(&mut started).await, "SigBlk:\t0000000000000000\n");
}

#[tokio::test]
async fn a_missing_program_is_told_in_the_systems_words() {
    let place = Place::new();
    let subject = place.subject();
    let told = async |request| within(subject.runtime.start(request)).await.unwrap_err().to_string();
    assert_eq!(
        told(request("a", command(&["foo"]))).await,
        "cannot start \"foo\": No such file or directory"
    );
    assert_eq!(
        told(request("a", command(&["/etc/passwd"]))).await,
        "cannot start \"/etc/passwd\": Permission denied"
    );
    let nowhere = StartRequest { cwd: Some("/no/where".into()), ..subject.request("a", "cat") };
    assert_eq!(
        told(nowhere).await,
        "cannot start \"sh\": cannot enter the folder \"/no/where\": No such file or directory"
    );
    let nul = told(request("a", command(&["sh", "a\0b"]))).await;
    assert!(nul.starts_with("cannot start \"sh\": "), "{nul}");
}

#[tokio::test]
async fn a_package_without_its_runner_says_what_to_install() {
    let place = Place::new();
    let mut config = config(place.path());
    config.parent_env = vec![("PATH".to_owned(), place.path().display().to_string())];
    let launch = Launch::NodePackage { package: "a".to_owned(), bin: None };
    let error = within(subject(config).runtime.start(request("node", launch))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot start \"npx\": it is not on PATH (install Node.js, which brings npx: https://nodejs.org)"
    );
}

#[tokio::test]
async fn the_name_mcpd_is_the_running_program() {
    let place = Place::new();
    let subject = place.subject();
    let launch = command(&["mcpd", "__guard"]);
    let mut events = subject.runtime.subscribe();
    let started = subject.run(request("itself", launch)).await;
    // A guardian without an order: wrong use.
    assert_eq!(exit(&mut events, &started).await.0, Exit::Code(2));
}

#[tokio::test]
async fn an_instance_has_a_folder_of_its_own_until_it_is_removed() {
    let place = Place::new();
    let subject = place.subject();
    let mut started = subject.start("folder", "pwd; echo > kept; cat").await;
    let folder = place.path().join("folder");
    assert_eq!(line(&mut started).await, folder.canonicalize().unwrap().display().to_string());
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    subject.stop("folder").await;
    assert!(folder.join("kept").exists());
    within(subject.runtime.remove(&InstanceId::new("folder"))).await.unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_server_runs_as_the_user_it_is_given() {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: only root can give servers another user");
        return;
    }
    let place = Place::new();
    let mut config = config(&place.path().join("run"));
    config.user = Some("nobody".to_owned());
    let subject = subject(config);
    let mut started = subject.start("user", "id -un; echo $USER; echo > mine && echo written; cat").await;
    for expected in ["nobody", "nobody", "written"] {
        assert_eq!(line(&mut started).await, expected);
    }
    // The signal that ends it with its guardian survived the change of user.
    kill(Pid::from_raw(parent(started.pid.unwrap())), Signal::SIGKILL).unwrap();
    assert_eq!(rest(&mut started).await, "");
}

#[tokio::test]
async fn a_server_that_is_killed_ends_by_that_signal() {
    let place = Place::new();
    let subject = place.subject();
    let mut events = subject.runtime.subscribe();
    let started = subject.start("killed", "kill -9 $$").await;
    assert_eq!(exit(&mut events, &started).await.0, Exit::Signal(9));
}

#[tokio::test]
async fn what_a_killed_guardian_leaves_is_ended() {
    let place = Place::new();
    let subject = place.subject();
    let mut events = subject.runtime.subscribe();
    let marker = &marker(171);
    let script = TREE.replace("1000", marker);
    let mut started = subject.start("orphans", &format!("{script} wait")).await;
    assert_eq!(line(&mut started).await, "ready");
    let guardian = parent(started.pid.unwrap());
    kill(Pid::from_raw(guardian), Signal::SIGKILL).unwrap();
    assert_eq!(exit(&mut events, &started).await.0, Exit::Unseen);
    subject.stop("orphans").await;
    let left = fs::read_dir(place.path()).unwrap().count();
    assert_eq!(left, 2, "the lock and the instance's folder, no mark");
    assert_eq!(marked(marker), []);
    assert!(!is_there(guardian), "it is reaped");
}

#[tokio::test]
async fn guardians_ignore_a_term_to_everybody() {
    let place = Place::new();
    let subject = place.subject();
    let mut started = subject.start("everybody", "trap '' TERM; echo ready; cat").await;
    assert_eq!(line(&mut started).await, "ready");
    let guardian = parent(started.pid.unwrap());
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        kill(Pid::from_raw(guardian), signal).unwrap();
    }
    tokio::io::AsyncWriteExt::write_all(&mut started.stdin, b"still\n").await.unwrap();
    assert_eq!(line(&mut started).await, "still");
    subject.stop("everybody").await;
    assert!(!is_there(guardian), "it is reaped");
}

#[tokio::test]
async fn two_hundred_at_once_leave_nothing() {
    let place = Place::new();
    let subject = place.subject();
    let marker = &marker(200);
    let script = format!("sleep {marker} & cat");
    let start = |number| {
        let request = subject.request(&format!("many-{number}"), &script);
        let runtime = subject.runtime.clone();
        async move { runtime.start(request).await.map(drop) }
    };
    for outcome in within(join_all((0..200).map(start))).await {
        outcome.unwrap();
    }
    join_all((0..200).map(|number| async move { format!("many-{number}") }).map(async |id| {
        let id = id.await;
        subject.stop(&id).await;
        within(subject.runtime.remove(&InstanceId::new(id))).await.unwrap();
    }))
    .await;
    assert!(within(subject.runtime.list()).await.unwrap().is_empty());
    assert_eq!(marked(marker), []);
    let left: io::Result<Vec<_>> = fs::read_dir(place.path()).unwrap().collect();
    assert_eq!(left.unwrap().len(), 1, "only the lock is left");
}

#[tokio::test]
async fn a_flood_of_stderr_holds_up_nobody() {
    let place = Place::new();
    let subject = place.subject();
    let mut events = subject.runtime.subscribe();
    let script = "head -c 30000000 /dev/zero | tr '\\0' 'x' >&2; echo >&2; yes | head -n 100000 >&2; exit 5";
    let started = subject.start("flood", script).await;
    assert_eq!(exit(&mut events, &started).await.0, Exit::Code(5));
    let lines = within(subject.runtime.logs(&InstanceId::new("flood"), LogQuery::default())).await.unwrap();
    assert!(lines.len() <= mcpd::runtime::log::LOG_LINES_MAX);
    assert!(lines.iter().all(|line| line.text.len() < mcpd::runtime::log::LINE_BYTES_MAX + 64));
}
