//! `mcpctl` against a real daemon: what people type all day, and the exit codes that scripts live on.

use serde_json::{Value, json};

use crate::harness::{Daemon, SOON, hostile, id, is_functional, pid, secret, secret_env, until, with};

/// One server that works, one that does not, one that waits for its secret.
async fn three() -> Daemon {
    let daemon = Daemon::start().await;
    let check = json!({ "tool": "get_me", "intervalSeconds": 0.5, "failureThreshold": 1 });
    let works = with(
        with(hostile("works", "plain"), "labels", json!({ "team": "dev" })),
        "description",
        json!("It works"),
    );
    let fails = with(hostile("fails", "no-token"), "healthCheck", check);
    let waits = with(hostile("waits", "plain"), "env", secret_env("TOKEN", "not-there"));
    daemon.apply(&[works, fails, waits]).await;
    daemon.instance("works", is_functional).await;
    daemon.instance("fails", |view| view["healthStatus"] == "unhealthy").await;
    daemon.instance("waits", |view| view["status"] == "ERROR").await;
    daemon
}

#[tokio::test]
async fn get_lists_what_is_there_in_each_form() {
    let daemon = three().await;
    let table = daemon.ctl("get instances").await.done();
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..6], ["ID", "SERVER", "STATUS", "HEALTH", "READY", "CHECK"], "{table}");
    let row = |server| rows.iter().find(|row| row[1] == server).unwrap().join(" ");
    assert!(row("works").contains("works RUNNING healthy yes echo ok"), "{table}");
    assert!(row("fails").contains("fails RUNNING unhealthy no token is required"), "{table}");
    assert!(row("waits").contains("waits ERROR no") && row("waits").contains("in "), "{table}");

    assert_eq!(daemon.ctl("get srv -o name -l team=dev").await.done(), "server/works\n");
    let views: Value = serde_json::from_str(&daemon.ctl("get servers -o json").await.done()).unwrap();
    let names: Vec<_> =
        views.as_array().or(views["items"].as_array()).unwrap().iter().map(|view| &view["name"]).collect();
    assert_eq!(names, ["fails", "waits", "works"]);
    for what in ["instance works", "inst/works", "server works", "secrets", "sb", "events", "servers -o wide"]
    {
        daemon.ctl(&format!("get {what}")).await.done();
    }
    assert!(daemon.ctl("get server nobody").await.failed(3).contains("nobody"));
    assert!(daemon.ctl("get pods").await.failed(2).contains("pods"));
}

#[tokio::test]
async fn what_is_got_as_yaml_is_applied_unchanged() {
    let daemon = three().await;
    let backend =
        json!({ "kind": "secretbackend", "name": "here", "type": "env", "config": { "prefix": "HERE_" } });
    daemon.apply(&[backend, secret("kept", "s3cret-value")]).await;
    for kind in ["servers", "secretbackends", "secrets"] {
        let yaml = daemon.ctl(&format!("get {kind} -o yaml")).await.done();
        let applied = daemon.ctl_with("apply -f -", &yaml).await.done();
        assert!(
            !applied.is_empty() && applied.lines().all(|line| line.ends_with(" unchanged")),
            "{yaml}\n{applied}"
        );
    }
    let one = daemon.ctl("get server works -o yaml").await.done();
    let other = one.replace("It works", "It still works");
    let before = daemon.instance("works", is_functional).await;
    let dry = daemon.ctl_with("apply --dry-run -f -", &other).await.done();
    assert!(dry.contains("server/works configured"), "{dry}");
    assert_eq!(daemon.ctl_with("apply -f -", &other).await.done(), "server/works configured\n");
    let after = daemon.instance("works", is_functional).await;
    assert_eq!((id(&before), pid(&before)), (id(&after), pid(&after)), "a description touches nothing");
}

#[tokio::test]
async fn describe_why_status_and_events_tell_the_story() {
    let daemon = three().await;
    let story = daemon.ctl("describe server works").await.done();
    assert!(story.contains("It works") && story.contains("team"), "{story}");
    let story = daemon.ctl("describe instance fails").await.done();
    assert!(story.contains("token is required") && story.contains("HealthCheckFailed"), "{story}");
    assert!(daemon.ctl("why fails").await.done().contains("token is required"));
    let waits = daemon.ctl("why waits").await.done();
    assert!(waits.contains("TOKEN") && waits.contains("not-there"), "{waits}");
    assert!(!daemon.ctl("why works").await.done().is_empty());
    let status = daemon.ctl("status").await.done();
    for word in [daemon.url.as_str(), "works", "fails", "waits"] {
        assert!(status.contains(word), "{word} is not in {status}");
    }
    let events = daemon.ctl("events").await.done();
    assert!(events.contains("Health check failed: token is required"), "{events}");
    for verb in ["describe server", "why", "events", "logs", "check"] {
        daemon.ctl(&format!("{verb} nobody")).await.failed(if verb == "events" { 0 } else { 3 });
    }
}

#[tokio::test]
async fn check_wait_and_call_end_with_codes_that_tell() {
    let daemon = three().await;
    let check = daemon.ctl("check works").await.done();
    assert!(check.contains("pass") && check.contains("tools/call") && check.contains("echo"), "{check}");
    let check = daemon.ctl("check fails").await;
    assert!(check.stdout.contains("token is required"), "{check:?}");
    check.failed(6);
    assert!(daemon.ctl("check waits").await.code != 0, "there is nothing to be checked");

    let wait = daemon.ctl("wait works --for=condition=Functional --timeout 10s").await.done();
    assert_eq!(wait, "server/works is Functional\n");
    let late = daemon.ctl("wait fails --timeout 500ms").await.failed(6);
    assert!(late.contains("token is required"), "{late}");
    daemon.ctl("wait nobody --timeout 500ms").await.failed(3);

    let echo = daemon.ctl_words(&["call", "works", "echo", r#"{"text": "hello, world"}"#], "").await;
    assert_eq!(echo.done(), "hello, world\n");
    let echo = daemon.ctl_with("call works echo - -o json", r#"{"text": "from stdin"}"#).await.done();
    assert!(serde_json::from_str::<Value>(&echo).unwrap().to_string().contains("from stdin"), "{echo}");
    daemon.ctl("call works no-such-tool").await.failed(1);
    daemon.ctl("call works echo not-json").await.failed(2);
    daemon.ctl("call nobody echo").await.failed(3);
    let refused = daemon.ctl("call fails get_me").await.failed(1);
    assert!(refused.contains("fails"), "no replica is Ready, and why: {refused}");
    let forced = daemon.instances("fails").await.pop().unwrap();
    let forced = daemon.ctl(&format!("call fails get_me --instance {}", id(&forced))).await;
    assert!((forced.stdout.clone() + &forced.stderr).contains("token is required"), "{forced:?}");
    forced.failed(1);
    let tools = daemon.ctl("tools works").await.done();
    assert!(tools.contains("echo") && tools.contains("get_me"), "{tools}");
}

#[tokio::test]
async fn restart_and_delete_do_what_they_say() {
    let daemon = three().await;
    let before = daemon.instance("works", is_functional).await;
    daemon.ctl("restart works").await.done();
    let after = daemon.instance("works", |view| is_functional(view) && pid(view) != pid(&before)).await;
    let deleted = daemon.ctl(&format!("delete instance {}", id(&after))).await.done();
    assert!(deleted.contains("deleted"), "{deleted}");
    daemon.instance("works", |view| is_functional(view) && id(view) != id(&after)).await;

    daemon.ctl("delete server works fails").await.done();
    until("both are gone with their processes", SOON, async || {
        let names = daemon.ctl("get servers -o name").await.done();
        (names == "server/waits\n" && daemon.place.processes().len() == 1).then_some(())
    })
    .await;
    daemon.ctl("delete server works").await.failed(3);
    daemon.ctl("get instance works").await.failed(3);
}

#[tokio::test]
async fn who_asks_without_right_or_nobody_at_all_gets_a_code_of_its_own() {
    let daemon = Daemon::start().await;
    let (url, token) = (daemon.url.as_str(), daemon.token.as_str());
    let run = crate::harness::ctl;
    assert!(run(&["--url", url, "--token", "wrong", "status"], &[]).await.failed(4).contains("token"));
    run(&["--url", url, "--token", "-L-wrong", "status"], &[]).await.failed(4);
    run(&["--url", url, "status"], &[]).await.failed(4);
    let nobody = run(&["--url", "http://127.0.0.1:1", "--token", token, "status"], &[]).await.failed(5);
    assert!(nobody.contains("not reachable") && nobody.contains("hint: "), "{nobody}");
    run(&["--token", token, "status"], &[]).await.failed(2);
    run(&["no-such-verb"], &[]).await.failed(2);
    let data = daemon.place.data();
    run(&["status"], &[("MCPD_DATA_DIR", data.to_str().unwrap())]).await.done();
    run(&["status"], &[("MCPD_URL", url), ("MCPD_TOKEN", token)]).await.done();
}

#[tokio::test]
async fn completion_and_version_need_no_more_than_they_say() {
    let daemon = Daemon::start().await;
    let run = crate::harness::ctl;
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completion", shell], &[]).await.done().contains("mcpctl"), "{shell}");
    }
    assert!(run(&["version", "--client"], &[]).await.done().starts_with("mcpctl "));
    let both = daemon.ctl("version").await.done();
    assert!(both.starts_with("mcpctl ") && both.contains("\nmcpd ") && both.contains(&daemon.url), "{both}");
}
