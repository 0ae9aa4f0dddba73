//! Servers that misbehave, each beside a well-behaved neighbour that must not notice.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{
    Answer, Daemon, Process, Ran, SOON, has_event, hostile, id, is_functional, is_healthy, message, pid,
    until, with,
};

/// The longest time between two checks of a neighbour that is checked every 0.2 s, on a machine that is busy with
/// other tests. The servers beside it make calls wait for 2 s and more, so a check that waits for one shows.
const LATE: Duration = Duration::from_millis(1500);
/// What a call may take beyond its deadline, on the same machine.
const SLACK: Duration = Duration::from_secs(2);
/// After it a call is with its server. Nothing shows that from outside, so a moment has to do; where it is too
/// short, the call fails all the same.
const UNDER_WAY: Duration = Duration::from_millis(300);
/// Calls at the same moment to one server.
const CALLERS: usize = 16;
/// What mcpd may grow by when a server prints 100 MiB in one line: the bound of a line is 16 MiB.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// A daemon with a neighbour that is well and is checked often.
async fn neighbourhood() -> Daemon {
    let daemon = Daemon::start().await;
    let check = json!({ "tool": "echo", "intervalSeconds": 0.2 });
    daemon.apply(&[with(hostile("neighbour", "plain"), "healthCheck", check)]).await;
    daemon.instance("neighbour", is_functional).await;
    daemon
}

/// The neighbour noticed nothing, and when all other servers are deleted, nothing of them is left.
async fn nobody_was_hurt(daemon: &Daemon, servers: &[&str]) {
    let view = daemon.instance("neighbour", is_healthy).await;
    assert!(!has_event(&view, "HealthCheckFailed", "") && view["restarts"] == 0, "{view:#}");
    let checks = daemon.checks(&view).await;
    assert!(checks.iter().all(|check| check["verdict"] == "pass"), "{checks:#?}");
    let times: Vec<Timestamp> =
        checks.iter().map(|check| check["at"].as_str().unwrap().parse().unwrap()).collect();
    let longest = times.windows(2).map(|pair| pair[0].duration_since(pair[1]).unsigned_abs()).max();
    assert!(longest < Some(LATE), "checks of the neighbour came up to {longest:?} late");
    delete(daemon, servers).await;
}

async fn delete(daemon: &Daemon, servers: &[&str]) {
    let deletions =
        servers.iter().map(async |name| daemon.ctl(&format!("delete server {name}")).await.done());
    join_all(deletions).await;
    let neighbour = daemon.instances("neighbour").await.pop().unwrap();
    until("what is deleted is gone", SOON, async || {
        let names = daemon.get("/servers").await.body["items"].as_array().unwrap().len();
        let left = daemon.place.processes();
        let is_of_another =
            |process: &Process| process.command.contains("hostile-server") && !is_plain(process);
        (names == 1 && !left.iter().any(is_of_another)).then_some(())
    })
    .await;
    assert_eq!(Process::zombies_of(daemon.pid()), []);
    assert!(Process::find(pid(&neighbour)).is_some_and(|process| is_plain(&process)));
}

fn is_plain(process: &Process) -> bool {
    process.command.ends_with("plain")
}

/// `echo` of some text by `mcpctl`, which has to end within its deadline, whatever the server does.
async fn call(daemon: &Daemon, server: &str, deadline: Duration, text: &str) -> Ran {
    let (start, seconds) = (Instant::now(), format!("{}ms", deadline.as_millis()));
    let arguments = json!({ "text": text }).to_string();
    let instance = daemon.instances(server).await.pop().unwrap();
    let words = ["call", server, "echo", &arguments, "--timeout", &seconds, "--instance", id(&instance)];
    let ran = daemon.ctl_words(&words, "").await;
    assert!(start.elapsed() < deadline + SLACK, "{server}: the call took {:?}", start.elapsed());
    ran
}

/// The same by the REST API, for the code of the problem.
async fn post(daemon: &Daemon, server: &str, seconds: f64) -> Answer {
    let instance = daemon.instances(server).await.pop().unwrap();
    let call = json!({
        "method": "tools/call", "params": { "name": "echo" }, "instance": id(&instance), "timeoutSeconds": seconds,
    });
    daemon.post(&format!("/servers/{server}/mcp"), call).await
}

#[tokio::test]
async fn whatever_comes_between_the_answers_each_call_gets_its_own() {
    let modes =
        ["noise", "unknown-ids", "out-of-order", "notification-flood", "exit-unless-initialize", "stateless"];
    let daemon = neighbourhood().await;
    daemon.apply(&modes.map(|mode| hostile(mode, mode))).await;
    join_all(modes.iter().map(|mode| daemon.instance(mode, is_functional))).await;
    let calls =
        modes.iter().flat_map(|mode| (0..CALLERS).map(move |number| (mode, format!("{mode}-{number}"))));
    let answers = join_all(calls.map(async |(mode, text)| {
        let call =
            json!({ "method": "tools/call", "params": { "name": "echo", "arguments": { "text": text } } });
        (daemon.post(&format!("/servers/{mode}/mcp"), call).await, text)
    }));
    for (answer, text) in answers.await {
        assert_eq!(answer.body["result"]["content"][0]["text"], text.as_str(), "{answer:?}");
    }
    for mode in modes {
        assert_eq!(call(&daemon, mode, SOON, "by mcpctl").await.done(), "by mcpctl\n");
    }
    let noise = daemon.ctl("logs noise").await.done();
    assert!(noise.contains("listening on port 80") && noise.contains("no UTF-8"), "{noise}");
    nobody_was_hurt(&daemon, &modes).await;
}

#[tokio::test]
async fn requests_of_a_server_are_answered_and_confuse_no_call() {
    let daemon = neighbourhood().await;
    let check = json!({ "tool": "get_me", "intervalSeconds": 0.5 });
    daemon.apply(&[with(hostile("asker", "requests"), "healthCheck", check)]).await;
    daemon.instance("asker", is_functional).await;
    let heard = daemon.ctl("call asker get_me").await.done();
    assert!(heard.contains("mine-ping: {}"), "a ping is answered: {heard}");
    assert!(heard.contains("mine-sampling/createMessage: -32601"), "what mcpd cannot do is refused: {heard}");
    nobody_was_hurt(&daemon, &["asker"]).await;
}

#[tokio::test]
async fn a_line_of_100_mib_is_an_error_that_names_the_bound_and_costs_no_memory() {
    let daemon = neighbourhood().await;
    let often =
        json!({ "tool": "echo", "intervalSeconds": 0.5, "timeoutSeconds": 10, "failureThreshold": 1 });
    daemon.apply(&[with(hostile("huge", "huge-line"), "healthCheck", often)]).await;
    let before = Process::peak_bytes(daemon.pid());
    let view = daemon.instance("huge", |view| view["healthStatus"] == "unhealthy").await;
    assert!(message(&view).contains("16777216") || message(&view).contains("16 MiB"), "{}", message(&view));
    let answers = join_all((0..4).map(|_| post(&daemon, "huge", 30.0))).await;
    for answer in &answers {
        assert!((500..600).contains(&answer.status), "{answer:?}");
        assert!(answer.text().contains("16777216") || answer.text().contains("16 MiB"), "{answer:?}");
    }
    let growth = Process::peak_bytes(daemon.pid()).saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "mcpd grew by {growth} bytes");
    nobody_was_hurt(&daemon, &["huge"]).await;
}

#[tokio::test]
async fn who_never_answers_is_found_out_and_keeps_nobody_waiting() {
    let modes = ["never-answer", "silent", "slow 60000"];
    let names = ["never", "silent", "slow"];
    let check = json!({ "tool": "echo", "intervalSeconds": 0.5, "timeoutSeconds": 1, "startupSeconds": 1, "failureThreshold": 2 });
    let daemon = neighbourhood().await;
    let servers =
        names.iter().zip(modes).map(|(name, mode)| with(hostile(name, mode), "healthCheck", check.clone()));
    daemon.apply(&servers.collect::<Vec<_>>()).await;
    for name in names {
        let view = daemon.instance(name, |view| view["healthStatus"] == "unhealthy").await;
        assert_eq!((&view["status"], &view["ready"]), (&json!("RUNNING"), &json!(false)), "{view:#}");
        let kind = if name == "silent" { "transport" } else { "timeout" };
        assert_eq!(view["lastCheck"]["kind"], kind, "{view:#}");
    }
    let deadline = Duration::from_secs(1);
    for (name, ran) in
        join_all(names.map(async |name| (name, call(&daemon, name, deadline, "x").await))).await
    {
        assert!(ran.failed(1).starts_with("error: "), "{name}");
    }
    for name in ["never", "slow"] {
        assert_eq!(post(&daemon, name, 0.3).await.problem(), (504, "deadline_exceeded"), "{name}");
    }
    nobody_was_hurt(&daemon, &names).await;
}

#[tokio::test]
async fn who_ends_or_closes_a_stream_is_a_failed_attempt_and_its_calls_end_at_once() {
    let daemon = neighbourhood().await;
    let unchecked = |name: &str, mode| with(hostile(name, mode), "healthCheck", json!({ "disabled": true }));
    let cases =
        [("stdin", "close-stdin", "closed its stdin"), ("stdout", "close-stdout", "closed its stdout")];
    daemon.apply(&cases.map(|(name, mode, _)| unchecked(name, mode))).await;
    daemon.apply(&[unchecked("half", "half-message-exit"), unchecked("brief", "exit-after 300 5")]).await;
    for (name, _, words) in cases {
        let view = daemon.instance(name, has_failed).await;
        // The error may be `exited with code 0`: the server may end by itself when mcpd lets go of its stdin.
        assert!(has_event(&view, "ConnectionFailed", words), "{view:#}");
    }
    let view = daemon.instance("brief", has_failed).await;
    assert!(view["metadata"]["error"].as_str().unwrap().contains("exited with code 5"), "{view:#}");

    daemon
        .instance("half", |view| view["status"] == "RUNNING" && view["protocolVersion"] != Value::Null)
        .await;
    let start = Instant::now();
    assert_eq!(post(&daemon, "half", 60.0).await.problem().0, 502);
    assert!(start.elapsed() < SLACK, "the call ended after {:?}", start.elapsed());
    let view = daemon.instance("half", has_failed).await;
    assert!(view["metadata"]["error"].as_str().unwrap().contains("exited with code 0"), "{view:#}");
    nobody_was_hurt(&daemon, &["stdin", "stdout", "brief", "half"]).await;
}

#[tokio::test]
async fn who_is_killed_while_it_works_is_back_at_once_and_its_calls_end_with_it() {
    let daemon = neighbourhood().await;
    daemon
        .apply(&[with(hostile("victim", "slow 20000"), "healthCheck", json!({ "intervalSeconds": 60 }))])
        .await;
    let before = daemon.instance("victim", is_healthy).await;
    let (call, ()) = tokio::join!(post(&daemon, "victim", 60.0), async {
        tokio::time::sleep(UNDER_WAY).await;
        kill(Pid::from_raw(pid(&before)), Signal::SIGKILL).unwrap();
    });
    assert_eq!(call.problem().0, 502, "{call:?}");
    let after = daemon.instance("victim", |view| is_healthy(view) && view["pid"] != before["pid"]).await;
    assert_eq!((&after["id"], &after["restarts"]), (&before["id"], &json!(1)), "{after:#}");
    assert_eq!(after["metadata"]["attemptCount"], 1, "{after:#}");
    assert!(after["events"].to_string().contains("signal"), "{after:#}");
    nobody_was_hurt(&daemon, &["victim"]).await;
}

fn has_failed(view: &Value) -> bool {
    view["status"] == "ERROR" && view["metadata"]["attemptCount"].as_u64() >= Some(1)
}

#[tokio::test]
async fn who_ignores_term_or_leaves_children_behind_is_gone_after_a_delete() {
    let daemon = neighbourhood().await;
    let names = ["stubborn", "parent"];
    let parent = hostile("parent", &format!("fork-children {}", daemon.place.path().display()));
    daemon.apply(&[hostile("stubborn", "ignore-term"), parent]).await;
    join_all(names.map(|name| daemon.instance(name, is_functional))).await;
    let children = until("three children linger", SOON, async || {
        let lingering =
            daemon.place.processes().into_iter().filter(|process| process.command.contains("linger"));
        let lingering: Vec<_> = lingering.collect();
        (lingering.len() == 3).then_some(lingering)
    });
    let children = children.await;
    nobody_was_hurt(&daemon, &names).await;
    assert!(!children.iter().any(Process::is_there), "{children:#?}");
}
