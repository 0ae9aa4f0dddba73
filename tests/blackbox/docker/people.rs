//! What people do with a server in a container: look into it, read what it said, reach its port.

use serde_json::{Value, json};

use super::{error, post};
use crate::harness::{
    Answer, Daemon, Launch, Place, SOON, condition, contained, has_event, is_functional, until, with,
};

#[tokio::test]
async fn exec_runs_a_program_of_the_image_and_ends_with_its_code() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("boxed", place.dock())]).await;
    let before = daemon.instance("boxed", is_functional).await;
    assert_eq!(daemon.ctl("exec boxed -- /server --exit 7").await.code, 7);
    let ping = r#"{"jsonrpc":"2.0","id":"by-hand","method":"ping"}"#;
    let said = daemon.ctl_with("exec -i boxed -- /server", &format!("{ping}\n")).await.done();
    assert!(said.contains(r#""id":"by-hand","result":{}"#), "{said}");
    let missing = daemon.ctl("exec boxed -- /bin/sh").await;
    // The engine says it where the program would have.
    let words = missing.stdout.clone() + &missing.stderr;
    assert!(missing.code != 0 && words.contains("/bin/sh"), "the engine's own words: {missing:?}");
    let after = daemon.instances("boxed").await.pop().unwrap();
    assert_eq!((&after["containerId"], &after["restarts"]), (&before["containerId"], &json!(0)));
}

#[tokio::test]
async fn the_log_of_the_run_before_is_kept_beyond_its_container() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("teller", place.dock())]).await;
    let before = daemon.instance("teller", is_functional).await;
    post(&daemon, &before, "say", json!({ "text": "my first life" })).await;
    logged(&daemon, "logs teller", "my first life").await;
    post(&daemon, &before, "exit", json!({ "code": "3" })).await;
    let is_new = |view: &Value| is_functional(view) && view["containerId"] != before["containerId"];
    let after = daemon.instance("teller", is_new).await;
    assert!(has_event(&after, "Exited", "exited with code 3"), "{after:#}");
    assert!(after["events"].to_string().contains("my first life"), "the end of its stderr is in the event");
    logged(&daemon, "logs teller --previous", "my first life").await;
    post(&daemon, &after, "say", json!({ "text": "my second life" })).await;
    let log = logged(&daemon, "logs teller", "my second life").await;
    assert!(!log.contains("first"), "{log}");
}

async fn logged(daemon: &Daemon, command: &str, words: &str) -> String {
    let log = until("its words are in the log", SOON, async || {
        let log = daemon.ctl(command).await.done();
        log.contains(words).then_some(log)
    });
    let log = log.await;
    assert!(log.contains(&format!("noise: {words}")), "what is no message on stdout is kept too: {log}");
    log
}

#[tokio::test]
async fn the_port_of_a_container_is_reached_on_loopback() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    let server = with(contained("web", place.dock()), "transport", json!("STREAMABLE_HTTP"));
    let server = with(server, "args", json!(["--listen", "8080"]));
    daemon.apply(&[with(server, "containerPort", json!(8080))]).await;
    let view = daemon.instance("web", |view| view["status"] == "RUNNING" && view["port"].is_u64()).await;
    let url = format!("http://127.0.0.1:{}/", view["port"]);
    until("it answers", SOON, async || {
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(&url).send().await;
        answer.ok().filter(|answer| answer.status() == 200).map(drop)
    })
    .await;
    let bound = place.dock().container(&view)["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostIp"].clone();
    assert_eq!(bound, "127.0.0.1", "nobody beyond this machine");
    assert_ne!(condition(&view, "Connected"), "True", "mcpd speaks no HTTP to servers yet: {view:#}");
    assert_eq!(view["ready"], false);
}

#[tokio::test]
async fn a_container_that_ends_again_and_again_is_shown_as_a_crash_loop() {
    let Some(place) = Place::docked() else { return };
    let fast = Launch::serve().variable("MCPD_BACKOFF_FAST_SECONDS", "1");
    let daemon = fast.start(&place).await;
    daemon.apply(&[with(contained("crashing", place.dock()), "args", json!(["--exit", "3"]))]).await;
    let is_looping = |view: &Value| {
        view["status"] == "ERROR"
            && view["metadata"]["attemptCount"].as_u64() >= Some(3)
            && view.to_string().contains("CrashLoop")
    };
    let view = daemon.instance("crashing", is_looping).await;
    assert!(error(&view).contains("exited with code 3"), "{view:#}");
    let why = daemon.ctl("why crashing").await.done();
    assert!(why.contains("exited with code 3"), "{why}");
    assert!(place.dock().containers().len() <= 1, "what ended is removed");
}

#[tokio::test]
async fn an_image_that_is_not_there_fails_in_the_words_of_the_engine() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    let missing = |name: &str, policy: &str| {
        let server =
            with(contained(name, place.dock()), "dockerImage", json!("127.0.0.1:1/nobody/nothing:1"));
        with(server, "imagePullPolicy", json!(policy))
    };
    daemon.apply(&[missing("pulled", "IfNotPresent"), missing("never", "Never")]).await;
    for (name, words) in [("pulled", "connection refused"), ("never", "No such image")] {
        let view = daemon.instance(name, |view| view["status"] == "ERROR").await;
        assert!(error(&view).contains("127.0.0.1:1/nobody/nothing:1"), "{view:#}");
        assert!(error(&view).to_lowercase().contains(&words.to_lowercase()), "{view:#}");
        assert_eq!(view["metadata"]["attemptCount"], 1);
    }
    let program = with(contained("program", place.dock()), "command", json!(["/not-there"]));
    daemon.apply(&[program]).await;
    let view = daemon.instance("program", |view| view["status"] == "ERROR").await;
    assert!(view["events"].to_string().contains("/not-there"), "{view:#}");
    until("nothing is left", SOON, async || place.dock().containers().is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_server_deleted_while_it_starts_and_one_deleted_while_it_works_leave_nothing() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("works", place.dock())]).await;
    let works = daemon.instance("works", is_functional).await;
    let in_flight = post(&daemon, &works, "sleep", json!({ "ms": "20000" }));
    let deletion = async {
        daemon.apply(&[contained("starts", place.dock())]).await;
        daemon.ctl("delete server works starts").await.done()
    };
    let (call, _): (Answer, String) = tokio::join!(in_flight, deletion);
    assert!(call.status >= 500, "it ended with the server: {call:?}");
    until("nothing is left", SOON, async || place.dock().containers().is_empty().then_some(())).await;
    assert_eq!(daemon.get("/instances").await.body["items"], json!([]));
}
