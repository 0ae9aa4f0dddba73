//! `kill -9` of mcpd at any moment, and a start on what it left.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{
    Daemon, Launch, Place, Process, SOON, condition, hostile, is_functional, is_healthy, secret_env, until,
    with,
};

const ROUNDS: usize = 3;

/// What is under way when it is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Boot,
    Start,
    Check,
    Stop,
}

impl Moment {
    /// How long the moment lasts; some time within it, mcpd is killed.
    const fn span(self) -> Duration {
        match self {
            Self::Boot => Duration::from_millis(200),
            Self::Start => Duration::from_millis(400),
            Self::Check => Duration::from_millis(600),
            Self::Stop => Duration::from_secs(3),
        }
    }
}

#[tokio::test]
async fn a_mcpd_killed_while_it_starts_itself_leaves_nothing_that_its_successor_does_not_end() {
    rounds(Moment::Boot).await;
}

#[tokio::test]
async fn a_mcpd_killed_while_it_starts_servers_leaves_nothing_that_its_successor_does_not_end() {
    rounds(Moment::Start).await;
}

#[tokio::test]
async fn a_mcpd_killed_while_it_checks_leaves_nothing_that_its_successor_does_not_end() {
    rounds(Moment::Check).await;
}

#[tokio::test]
async fn a_mcpd_killed_while_it_stops_servers_leaves_nothing_that_its_successor_does_not_end() {
    rounds(Moment::Stop).await;
}

async fn rounds(moment: Moment) {
    let place = Place::new();
    for round in 0..ROUNDS {
        let daemon = Launch::serve().start(&place).await;
        daemon.apply(&servers()).await;
        if !matches!(moment, Moment::Start) {
            daemon.instance("steady", is_healthy).await;
        }
        if matches!(moment, Moment::Stop) {
            daemon.ctl("delete server stubborn --no-wait").await.done();
        }
        let daemon = if matches!(moment, Moment::Boot) {
            daemon.kill();
            Launch::serve().spawn(&place)
        } else {
            daemon
        };
        let delay = some_time_within(moment.span());
        println!("{moment:?}, round {round}: killed after {delay:?}");
        sleep(delay).await;
        kill_and_start_again(daemon, &place).await;
    }
}

fn servers() -> Vec<Value> {
    let often = json!({ "tool": "echo", "intervalSeconds": 0.1 });
    vec![
        with(hostile("steady", "slow 50"), "healthCheck", often),
        with(hostile("stubborn", "ignore-term"), "replicas", json!(2)),
        hostile("parent", "fork-children"),
    ]
}

/// Chance is right here: whichever moment it takes, the promise is the same.
fn some_time_within(span: Duration) -> Duration {
    let span_ms = u64::try_from(span.as_millis()).unwrap();
    Duration::from_millis(RandomState::new().hash_one(()) % span_ms)
}

async fn kill_and_start_again(daemon: Daemon, place: &Arc<Place>) {
    let own = daemon.pid();
    daemon.kill();
    let old: Vec<_> = place.processes().into_iter().filter(|process| process.pid != own).collect();
    let daemon = Launch::serve().start(place).await;
    until("the processes of the old one are gone", SOON, async || {
        old.iter().all(|process| !process.is_there()).then_some(())
    })
    .await;
    let steady = daemon.instance("steady", is_functional).await;
    assert_eq!(steady["metadata"]["attemptCount"], 0, "an end of mcpd is no failed attempt: {steady:#}");
    until("each server runs once", SOON, async || {
        let processes = place.processes();
        (running(&processes, "slow 50") == 1 && running(&processes, "fork-children") == 1).then_some(())
    })
    .await;
}

/// Fixtures in this mode; guardians name the mode in their arguments too.
fn running(processes: &[Process], mode: &str) -> usize {
    let is_one =
        |process: &&Process| process.command.ends_with(mode) && process.command.contains("hostile-server");
    processes.iter().filter(is_one).filter(|process| !process.command.contains("__guard")).count()
}

#[tokio::test]
async fn attempts_and_events_outlive_a_crash_and_health_is_unknown_until_it_is_proven_again() {
    let place = Place::new();
    let daemon = Launch::serve().start(&place).await;
    let late = json!({ "tool": "echo", "intervalSeconds": 1, "initialDelaySeconds": 2 });
    let keyless = with(hostile("keyless", "plain"), "env", secret_env("TOKEN", "not-there"));
    let brief = hostile("brief", "exit-after 100 7");
    daemon.apply(&[with(hostile("proven", "plain"), "healthCheck", late), keyless, brief]).await;
    let proven = daemon.instance("proven", is_functional).await;
    // Checks are written down 200 ms after they were made; by the next one, the first is.
    daemon.instance("proven", |view| view["lastHealthCheck"] != proven["lastHealthCheck"]).await;
    let keyless = daemon.instance("keyless", |view| view["status"] == "ERROR").await;
    let brief = daemon.instance("brief", has_failed).await;
    daemon.kill();

    let daemon = Launch::serve().start(&place).await;
    let unknown = daemon.instance("proven", |view| view["status"] == "RUNNING").await;
    assert_eq!(
        (&unknown["healthStatus"], &unknown["ready"]),
        (&json!("unknown"), &json!(false)),
        "{unknown:#}"
    );
    assert_ne!(condition(&unknown, "Functional"), "True");
    assert_eq!(unknown["id"], proven["id"]);
    for before in [&keyless, &brief] {
        let after = daemon.instances(before["server"].as_str().unwrap()).await.pop().unwrap();
        let count = |view: &Value| view["metadata"]["attemptCount"].as_u64().unwrap();
        assert!(count(&after) >= count(before), "{before:#} became {after:#}");
        assert_eq!(after["metadata"]["error"], before["metadata"]["error"]);
        assert!(keeps_events(before, &after), "{before:#} became {after:#}");
    }
    assert!(keeps_events(&proven, &unknown), "{proven:#} became {unknown:#}");
    daemon.instance("proven", is_functional).await;
}

fn has_failed(view: &Value) -> bool {
    view["status"] == "ERROR"
        && view["metadata"]["error"].as_str().is_some_and(|text| text.contains("code 7"))
}

/// Whether each event of `before` is among those of `after`, with at least its count.
fn keeps_events(before: &Value, after: &Value) -> bool {
    let events = |view: &Value| view["events"].as_array().unwrap().clone();
    let is_same = |a: &Value, b: &Value| {
        ["type", "reason", "message", "timestamp"].iter().all(|field| a[field] == b[field])
            && a["count"].as_u64() <= b["count"].as_u64()
    };
    let after = events(after);
    events(before).iter().all(|event| after.iter().any(|kept| is_same(event, kept)))
}

#[tokio::test]
async fn a_stop_in_order_ends_all_servers_and_the_next_start_is_no_failed_attempt() {
    let place = Place::new();
    let mut daemon = Launch::serve().start(&place).await;
    daemon.apply(&[hostile("steady", "plain"), hostile("stubborn", "ignore-term")]).await;
    let before = daemon.instance("steady", is_functional).await;
    daemon.instance("stubborn", is_functional).await;
    assert!(daemon.stop().is_some_and(|ended| ended.success()), "{}", daemon.stderr.text());
    assert_eq!(place.processes(), []);
    let daemon = Launch::serve().start(&place).await;
    let after = daemon.instance("steady", is_functional).await;
    assert_eq!((&after["id"], &after["metadata"]["attemptCount"]), (&before["id"], &json!(0)));
    assert!(keeps_events(&before, &after), "{before:#} became {after:#}");
}

#[tokio::test]
async fn a_second_mcpd_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let daemon = Daemon::start().await;
    daemon.apply(&[hostile("steady", "plain")]).await;
    let before = daemon.instance("steady", is_functional).await;
    let mut second = Launch::serve().spawn(&daemon.place);
    assert_eq!(second.ended().await.code(), Some(1));
    let words = second.stderr.text();
    assert!(
        words.contains("data folder") && words.contains(daemon.place.data().to_str().unwrap()),
        "{words}"
    );
    assert!(!words.contains("listening on"), "{words}");
    let after = daemon.instances("steady").await.pop().unwrap();
    assert_eq!((&before["id"], &before["pid"], &after["restarts"]), (&after["id"], &after["pid"], &json!(0)));
    daemon.ctl("check steady").await.done();
}
