//! Exit codes, and the words on stderr.

use serde_json::json;
use tokio::net::TcpListener;

use crate::fake::Fake;
use crate::run::{mcpctl, run};

fn problem(status: u16) -> serde_json::Value {
    json!({"type": "urn:mcpd:problem:x", "title": "T", "status": status, "detail": "words", "code": "x"})
}

#[tokio::test]
async fn each_answer_has_its_exit_code() {
    let fake = Fake::start().await;
    for (status, code) in [(401, 4), (403, 4), (404, 3), (409, 1), (422, 1), (500, 1), (503, 1)] {
        fake.problem("GET /servers/demo", problem(status));
        let ended = mcpctl(&fake, "get server demo").await;
        assert_eq!((ended.code, ended.stderr.as_str()), (code, "error: words\n"), "{status}");
        assert_eq!(ended.stdout, "");
    }
}

#[tokio::test]
async fn a_problem_is_told_with_causes_mistakes_and_hint() {
    let fake = Fake::start().await;
    let mut told = problem(422);
    told["causes"] = json!(["the first", "the second"]);
    told["errors"] = json!([{"path": "env[1].name", "message": "is missing"}]);
    told["hint"] = json!("read it again");
    fake.problem("POST /servers/demo/restart", told);
    insta::assert_snapshot!(mcpctl(&fake, "restart demo").await.stderr, @"
    error: words
    cause: the first
    cause: the second
      env[1].name: is missing
    hint: read it again
    ");
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_told_with_its_url() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let ended = run(&["get", "servers", "--url", &url], &[], "").await;
    assert_eq!(ended.code, 5);
    insta::assert_snapshot!(ended.stderr.replace(&url, "URL"), @"
    error: mcpd is not reachable at URL: Connection refused (os error 111)
    hint: start one with `mcpd up -f FILE`, or name it with --url or MCPD_URL
    ");
}

#[tokio::test]
async fn without_any_source_of_a_url_the_daemon_is_not_reachable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let ended = run(&["get", "servers"], &[("MCPD_DATA_DIR", path)], "").await;
    assert_eq!(ended.code, 5);
    insta::assert_snapshot!(ended.stderr.replace(path, "FOLDER"), @"
    error: there is no daemon to talk to: no URL is given and FOLDER/daemon.json is not there
    hint: start one with `mcpd up -f FILE`, or name it with --url or MCPD_URL
    ");
}

#[tokio::test]
async fn wrong_usage_is_told_before_anybody_is_asked() {
    let fake = Fake::start().await;
    let wrong = [
        "get",
        "get pods",
        "get srv/a inst/b",
        "frobnicate",
        "describe secrets/",
        "wait demo --for=condition=Happy",
        "call demo add [1]",
        "call demo add {",
        "delete server",
        "get secrets -l a=b -w",
        "logs a b c",
        "get servers --url ftp://x",
        "get servers --url",
    ];
    for arguments in wrong {
        let ended = mcpctl(&fake, arguments).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments}: {}", ended.stderr);
    }
    assert!(fake.asked().is_empty(), "{:?}", fake.asked());
}

#[tokio::test]
async fn every_verb_helps_with_examples() {
    let fake = Fake::start().await;
    let verbs = [
        "apply",
        "get",
        "describe",
        "why",
        "logs",
        "check",
        "call",
        "tools",
        "delete",
        "restart",
        "wait",
        "events",
        "status",
        "config",
        "completion",
        "version",
    ];
    for verb in verbs {
        let help = mcpctl(&fake, &format!("{verb} --help")).await;
        assert_eq!(help.code, 0);
        assert!(help.stdout.contains("Examples:\n"), "{verb}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_of_mcpd_is_told_as_such() {
    let fake = Fake::start().await;
    fake.text("GET /servers", "<html>hello</html>");
    let ended = mcpctl(&fake, "get servers").await;
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("answered what is not understood"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_token_stays_with_its_url() {
    let (named, other) = (Fake::start().await, Fake::start().await);
    named.json("GET /servers", json!({"items": []}));
    let variables = [("MCPD_URL", other.url.as_str()), ("MCPD_TOKEN", "of-the-other")];
    let ended = run(&["get", "servers", "--url", &named.url], &variables, "").await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(named.asked()[0].authorization, None);
    assert!(other.asked().is_empty());
}
