//! The death of mcpd at its worst: `kill -9`, alone or together with its guardians.
//!
//! The part of mcpd is played by this very test program, executed again with a variable that makes one test
//! start servers and wait to be killed.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mcpd::runtime::process::ProcessRuntime;
use mcpd::runtime::{Handle, Known, Runtime as _};
use mcpd_core::name::InstanceId;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::sleep;

use super::place::{Marked, Place, config, is_there, marked, marker, parent, subject, until};
use crate::conformance::{TREE, line, within};

const FOLDER: &str = "RUNTIME_TEST_FOLDER";
const MARKER: &str = "RUNTIME_TEST_MARKER";
const SERVERS: usize = 3;

/// What the parent prints of one server: its process and its handle.
struct Server {
    instance: InstanceId,
    guardian: i32,
    pid: i32,
    handle: Handle,
}

/// Not a test of its own: the parent that the others kill. Without the variables there is nothing to do.
#[tokio::test]
async fn parent_that_is_killed() {
    let (Some(folder), Some(marker)) = (std::env::var_os(FOLDER), std::env::var_os(MARKER)) else { return };
    let subject = subject(config(Path::new(&folder)));
    let script = format!("{} wait", TREE.replace("1000", marker.to_str().unwrap()));
    println!("\nbegin");
    let mut kept = Vec::new();
    for number in 0..SERVERS {
        let mut started = subject.start(&format!("s{number}"), &script).await;
        assert_eq!(line(&mut started).await, "ready");
        let pid = started.pid.unwrap();
        println!("\nserver s{number} {} {pid} {}", parent(pid), started.handle.0);
        kept.push(started);
    }
    println!("\ndone");
    std::future::pending::<()>().await;
}

#[expect(clippy::disallowed_methods, reason = "the test is about the death of a process")]
fn spawn_parent(place: &Place, marker: &str) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::crash::parent_that_is_killed", "--nocapture"])
        .env(FOLDER, place.path())
        .env(MARKER, marker)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    (child, lines)
}

fn run_parent(place: &Place, marker: &str) -> (Child, Vec<Server>) {
    let (child, lines) = spawn_parent(place, marker);
    let servers = lines
        .take_while(|line| line != "done")
        .filter_map(|line| {
            let mut words = line.strip_prefix("server ")?.splitn(4, ' ');
            Some(Server {
                instance: InstanceId::new(words.next()?),
                guardian: words.next()?.parse().ok()?,
                pid: words.next()?.parse().ok()?,
                handle: Handle(words.next()?.to_owned()),
            })
        })
        .collect::<Vec<_>>();
    assert_eq!(servers.len(), SERVERS);
    (child, servers)
}

fn known(servers: &[Server]) -> Vec<Known> {
    let known =
        |server: &Server| Known { instance: server.instance.clone(), handle: Some(server.handle.clone()) };
    servers.iter().map(known).collect()
}

fn kill_9(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn nothing_is_left_after_a_kill_of_mcpd() {
    let place = Place::new();
    let marker = &marker(301);
    let (mut mcpd, servers) = run_parent(&place, marker);
    assert!(marked(marker).len() > SERVERS);
    mcpd.kill().unwrap();
    mcpd.wait().unwrap();
    let next = ProcessRuntime::new(config(place.path())).unwrap();
    // Without the records: the lock alone is proof enough.
    within(next.sweep(Vec::new())).await.unwrap();
    assert_eq!(marked(marker), []);
    assert!(servers.iter().all(|server| !is_there(server.pid)));
    assert!(!place.path().join("s0").exists(), "nobody knows it any more");
}

#[tokio::test]
async fn what_the_guardians_of_a_killed_mcpd_leave_is_found_by_the_records() {
    let place = Place::new();
    let marker = &marker(302);
    let (mut mcpd, servers) = run_parent(&place, marker);
    // Stopped, it cannot see its guardians die.
    let pid = i32::try_from(mcpd.id()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    for server in &servers {
        kill_9(server.guardian);
    }
    mcpd.kill().unwrap();
    mcpd.wait().unwrap();
    let next = ProcessRuntime::new(config(place.path())).unwrap();
    within(next.sweep(known(&servers))).await.unwrap();
    let left = marked(marker);
    assert!(left.iter().all(|stray| !stray.line.contains("sh -c trap")), "{left:?}");
    assert!(place.path().join("s0").exists(), "the instance is known");
    end_strays(marker).await;
}

/// What made a session of its own and lost its guardian cannot be told from a stranger; the test can, by a
/// marker that no other process has.
async fn end_strays(marker: &str) {
    until("the strays are gone", || {
        let strays = marked(marker);
        for stray in &strays {
            // One that is gone by now is what was wanted.
            let _ = kill(Pid::from_raw(stray.pid), Signal::SIGKILL);
        }
        strays.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_guardian_that_does_not_end_is_killed_by_the_records() {
    let place = Place::new();
    let marker = &marker(303);
    let (mut mcpd, servers) = run_parent(&place, marker);
    // A stopped guardian stands for one whose server cannot be killed.
    kill(Pid::from_raw(servers[0].guardian), Signal::SIGSTOP).unwrap();
    mcpd.kill().unwrap();
    mcpd.wait().unwrap();
    let mut config = config(place.path());
    config.sweep_patience = Duration::from_millis(200);
    let next = ProcessRuntime::new(config).unwrap();
    within(next.sweep(known(&servers))).await.unwrap();
    let left = marked(marker);
    assert!(left.iter().all(|stray| stray.pid != servers[0].pid), "{left:?}");
    end_strays(marker).await;
}

#[tokio::test]
async fn what_cannot_be_ended_is_named_and_nothing_is_started() {
    let place = Place::new();
    let marker = &marker(304);
    let (mut mcpd, servers) = run_parent(&place, marker);
    let guardian = Pid::from_raw(servers[0].guardian);
    kill(guardian, Signal::SIGSTOP).unwrap();
    mcpd.kill().unwrap();
    mcpd.wait().unwrap();
    let mut config = config(place.path());
    config.sweep_patience = Duration::from_millis(200);
    let next = ProcessRuntime::new(config).unwrap();
    let error = within(next.sweep(Vec::new())).await.unwrap_err();
    let expected = format!("processes of an earlier mcpd are still there (process {guardian})");
    assert_eq!(error.to_string(), expected);
    kill(guardian, Signal::SIGCONT).unwrap();
    within(next.sweep(Vec::new())).await.unwrap();
    assert_eq!(marked(marker), []);
}

#[tokio::test]
async fn nothing_is_left_after_a_kill_of_mcpd_at_any_moment_of_a_start() {
    for (number, delay_ms) in [0, 2, 5, 10, 20, 40, 80].into_iter().enumerate() {
        let place = Place::new();
        let marker = &marker(400 + u32::try_from(number).unwrap());
        let (mut mcpd, mut lines) = spawn_parent(&place, marker);
        lines.find(|line| line == "begin").unwrap();
        // No state to wait for: the moment is the point.
        sleep(Duration::from_millis(delay_ms)).await;
        mcpd.kill().unwrap();
        mcpd.wait().unwrap();
        let next = ProcessRuntime::new(config(place.path())).unwrap();
        within(next.sweep(Vec::new())).await.unwrap();
        // A guardian that was only just executed ends without having started anything.
        let left = marked(marker);
        assert!(left.iter().all(Marked::is_guardian), "{left:?}");
        until("the last guardians are gone", || marked(marker).is_empty()).await;
    }
}
