//! `apply` and `delete`.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fake::{Fake, server};
use crate::run::{mcpctl, with_stdin};

const APPLY: &str = "POST /apply?dryRun=false&prune=false";

fn answer(items: Value) -> Value {
    json!({ "items": items, "dryRun": false })
}

#[tokio::test]
async fn all_files_go_in_one_request_and_each_object_gets_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    fs::write(
        folder.path().join("b.yaml"),
        "kind: server\nname: b\ncommand: [x]\n---\n---\nkind: secret\nname: s\n",
    )
    .unwrap();
    fs::write(folder.path().join("a.json"), r#"{"kind": "server", "name": "a", "command": ["x"]}"#).unwrap();
    fs::write(folder.path().join("README.md"), "not a manifest").unwrap();
    let fake = Fake::start().await;
    fake.json(
        APPLY,
        answer(json!([
            {"kind": "server", "name": "a", "action": "created", "warnings": ["secret x is not there"]},
            {"kind": "server", "name": "b", "action": "configured"},
            {"kind": "secret", "name": "s", "action": "unchanged"},
            {"kind": "server", "name": "c", "action": "created"},
        ])),
    );
    let stdin = "{kind: server, name: c, command: [x]}";
    let ended = with_stdin(&fake, &format!("apply -f {path} -f -"), stdin).await;
    insta::assert_snapshot!(ended.stdout, @"
    server/a created
    server/b configured
    secret/s unchanged
    server/c created
    ");
    insta::assert_snapshot!(ended.stderr, @"warning: server/a: secret x is not there");
    assert_eq!(fake.asked()[0].line, "POST /api/v1/apply?dryRun=false&prune=false");
    let sent: Vec<Value> = serde_json::from_str(&fake.asked()[0].body).unwrap();
    let names: Vec<_> = sent.iter().map(|manifest| manifest["name"].as_str().unwrap()).collect();
    assert_eq!((ended.code, fake.asked().len(), names), (0, 1, vec!["a", "b", "s", "c"]));
}

#[tokio::test]
async fn every_mistake_of_every_file_is_told_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let two = "kind: server\nname: a\ncommand: [x]\nreplicas: 11\n---\nkind: server\nname: B\nenvs: []\n";
    fs::write(folder.path().join("a.yaml"), two).unwrap();
    fs::write(folder.path().join("b.yaml"), "kind: [").unwrap();
    fs::write(folder.path().join("c.yaml"), "x".repeat((1 << 20) + 1)).unwrap();
    let fake = Fake::start().await;
    let ended = mcpctl(&fake, &format!("apply -f {path}")).await;
    assert_eq!((ended.code, fake.asked().len()), (1, 0));
    insta::assert_snapshot!(ended.stderr.replace(path, "DIR"), @"
    error: there are 6 mistakes in what was to be applied
      DIR/a.yaml: replicas: must be a whole number from 0 to 10, not 11
      DIR/a.yaml (document 2): name: must be a name of lower-case letters, digits and `-`, beginning and ending with a letter or digit
      DIR/a.yaml (document 2): says not what to run: one of dockerImage, packageName, command, externalUrl
      DIR/a.yaml (document 2): envs: unknown field, did you mean `env`?
      DIR/b.yaml: not YAML: document 1: did not find expected node content at line 2 column 1, while parsing a flow node
      DIR/c.yaml: the text has 1048577 bytes, at most 1048576 are allowed
    ");
}

#[tokio::test]
async fn mistakes_that_only_the_daemon_sees_are_told_with_their_file() {
    let fake = Fake::start().await;
    fake.problem(
        APPLY,
        json!({"type": "t", "title": "T", "status": 422, "detail": "one manifest has a mistake",
        "code": "invalid_manifest", "errors": [{"path": "[1].backend", "message": "there is no backend b"}]}),
    );
    let stdin = "kind: server\nname: a\ncommand: [x]\n---\nkind: secret\nname: s\nbackend: b\n";
    let ended = with_stdin(&fake, "apply -f -", stdin).await;
    assert_eq!(ended.code, 1);
    insta::assert_snapshot!(ended.stderr, @"
    error: one manifest has a mistake
      stdin (document 2): backend: there is no backend b
    ");
}

#[tokio::test]
async fn what_could_not_be_written_makes_the_exit_code_1() {
    let fake = Fake::start().await;
    let error =
        json!({"type": "t", "title": "T", "status": 503, "detail": "the backend is sealed", "code": "x"});
    fake.json(APPLY, answer(json!([{"kind": "secret", "name": "s", "action": "failed", "error": error}])));
    let ended = with_stdin(&fake, "apply -f -", "{kind: secret, name: s}").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(ended.stderr, @"secret/s: error: the backend is sealed");
}

#[tokio::test]
async fn a_dry_run_says_so_and_nothing_to_apply_is_told_by_the_daemon() {
    let fake = Fake::start().await;
    let item = json!({"kind": "server", "name": "a", "action": "pruned"});
    fake.json("POST /apply?dryRun=true&prune=true", json!({"items": [item], "dryRun": true}));
    let ended = with_stdin(&fake, "apply -f - --dry-run --prune", "").await;
    assert_eq!(ended.stdout, "server/a pruned (dry run)\n");
    assert_eq!(fake.asked()[0].body, "[]");
}

#[tokio::test]
async fn the_examples_are_good_manifests() {
    let fake = Fake::start().await;
    fake.json(APPLY, answer(json!([])));
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let ended = mcpctl(&fake, &format!("apply -f {examples}")).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let sent: Vec<Value> = serde_json::from_str(&fake.asked()[0].body).unwrap();
    assert!(sent.len() >= 10);
}

#[tokio::test]
async fn things_are_deleted_by_name_and_by_file() {
    let fake = Fake::start().await;
    for line in ["DELETE /servers/a", "DELETE /servers/b", "DELETE /secrets/s"] {
        fake.text(line, "");
    }
    assert_eq!(mcpctl(&fake, "delete srv a b").await.stdout, "server/a deleted\nserver/b deleted\n");
    let stdin = "kind: secret\nname: s\n---\nkind: server\nname: a\ncommand: [x]\n";
    let ended = with_stdin(&fake, "delete -f -", stdin).await;
    assert_eq!(ended.stdout, "server/a deleted\nsecret/s deleted\n");
    assert_eq!(mcpctl(&fake, "delete srv/nobody").await.code, 3);
    let ended = mcpctl(&fake, "delete srv a nobody b").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (3, "server/a deleted\n"));
}

#[tokio::test]
async fn what_is_not_gone_yet_is_not_called_deleted() {
    let fake = Fake::start().await;
    fake.text("DELETE /servers/a", "").text("DELETE /instances/k3v9x2", "");
    fake.json("GET /servers/a", server("a"));
    let quick = mcpctl(&fake, "delete srv a --no-wait").await;
    assert_eq!((quick.code, quick.stdout.as_str()), (0, "server/a is being deleted\n"));
    let quick = mcpctl(&fake, "delete instance k3v9x2 --no-wait").await;
    assert_eq!(quick.stdout, "instance/k3v9x2 is being deleted\n");
    let waiting = tokio::time::timeout(Duration::from_millis(500), mcpctl(&fake, "delete srv a")).await;
    assert!(waiting.is_err(), "it is there as long as the fake says so");
}

#[tokio::test]
async fn what_is_deleted_by_force_may_leave_something_behind() {
    let fake = Fake::start().await;
    fake.json("DELETE /servers/a?force=true", json!({"left": ["k3v9x2"]}));
    fake.json("DELETE /instances/p8d1qa?force=true", json!({"left": []}));
    fake.text("DELETE /secrets/s", "");
    let ended = mcpctl(&fake, "delete srv a --force").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "server/a force deleted\n"));
    insta::assert_snapshot!(ended.stderr, @"something of instance k3v9x2 may be left; it is removed as soon as its container engine answers");
    let ended = mcpctl(&fake, "delete inst p8d1qa --force").await;
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("instance/p8d1qa force deleted\n", ""));
    assert_eq!(mcpctl(&fake, "delete secret s --force").await.stdout, "secret/s deleted\n");
}
