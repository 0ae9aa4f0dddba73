//! Wrong input of every kind: a clear answer, every mistake in it, and nothing changed.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::fixture::Fixture;

fn with(field: &str, value: Value) -> Value {
    let mut manifest = json!({"name": "demo", "command": ["x"]});
    manifest[field] = value;
    manifest
}

#[tokio::test]
async fn each_wrong_manifest_is_refused_in_words_and_changes_nothing() {
    let fixture = Fixture::new();
    fixture.ask("POST", "/api/v1/servers", with("replicas", json!(2)).to_string()).await;
    fixture.engine.take_told();
    let before = fixture.everything().await;
    let cases = [
        ("unknown field", with("replica", json!(1))),
        ("wrong type", with("args", json!("--x"))),
        ("bad name", json!({"name": "Demo_1", "command": ["x"]})),
        ("two launch kinds", with("externalUrl", json!("http://localhost/mcp"))),
        ("no launch kind", json!({"name": "demo"})),
        ("replicas 11", with("replicas", json!(11))),
        ("timeout 0", with("healthCheck", json!({"timeoutSeconds": 0}))),
        ("interval too long", with("healthCheck", json!({"intervalSeconds": 86_401}))),
        ("threshold 101", with("healthCheck", json!({"failureThreshold": 101}))),
        ("env twice", with("env", json!([{"name": "A", "value": ""}, {"name": "A", "value": ""}]))),
        ("env without value", with("env", json!([{"name": "A"}]))),
        ("NUL", with("description", json!("a\u{0}b"))),
        ("too many args", with("args", json!(vec!["x"; 257]))),
        ("an argument too long", with("args", json!(["x".repeat(4097)]))),
        ("no object", json!([1])),
        ("another kind", with("kind", json!("secret"))),
    ];
    let mut words = Vec::new();
    for (case, manifest) in cases {
        let reply = fixture.ask("PUT", "/api/v1/servers/demo", manifest.to_string()).await;
        words.push(format!("{case} → {}", reply.words()));
    }
    insta::assert_snapshot!(words.join("\n"));
    assert_eq!(fixture.everything().await, before);
    assert!(fixture.engine.take_told().is_empty());
}

#[tokio::test]
async fn all_mistakes_of_a_list_come_in_one_answer() {
    let fixture = Fixture::new();
    let reply = fixture
        .apply(
            "",
            "kind: server\nname: a\ncommand: [x]\nreplicas: 11\ncolour: red\n---\nkind: server\nname: B\n---\nkind: thing\n",
        )
        .await;
    insta::assert_snapshot!(reply.words(), @r"
    422 invalid_manifest: the list has 5 mistakes
      [0].replicas: must be a whole number from 0 to 10, not 11
      [0].colour: unknown field
      [1].name: must be a name of lower-case letters, digits and `-`, beginning and ending with a letter or digit
      [1]: says not what to run: one of dockerImage, packageName, command, externalUrl
      [2].kind: unknown value `thing`, must be one of secretbackend, secret, probe, server
    ");
    assert!(fixture.store.list_servers().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_no_json_is_refused_by_everything_that_takes_a_body() {
    let fixture = Fixture::new();
    fixture.ask("POST", "/api/v1/servers", with("replicas", json!(2)).to_string()).await;
    let paths = [
        ("POST", "/api/v1/servers"),
        ("PUT", "/api/v1/servers/demo"),
        ("PATCH", "/api/v1/servers/demo"),
        ("POST", "/api/v1/servers/demo/mcp"),
        ("POST", "/api/v1/secrets"),
        ("PUT", "/api/v1/secrets/s"),
        ("POST", "/api/v1/secretbackends"),
        ("PUT", "/api/v1/secretbackends/b"),
        ("POST", "/api/v1/apply"),
    ];
    let mut words = Vec::new();
    for (method, path) in paths {
        let reply = fixture.ask(method, path, "{\n  \"a\": }").await;
        words.push(format!("{method} {path} → {}", reply.words()));
    }
    insta::assert_snapshot!(words.join("\n"));
}

#[tokio::test]
async fn what_is_no_yaml_or_nothing_or_something_else_is_refused() {
    let fixture = Fixture::new();
    let mut words = vec![
        fixture.apply("", "a: [1\nb: 2").await.words(),
        fixture.apply("", "a: 1\na: 2").await.words(),
        fixture.apply("", "---\n# nothing\n---\n").await.words(),
        fixture.ask("POST", "/api/v1/apply", "[]").await.words(),
        fixture.ask("POST", "/api/v1/apply", "").await.words(),
        fixture.ask("POST", "/api/v1/apply", "{\"a\": 1, \"a\": 2}").await.words(),
    ];
    let mut request = Fixture::request("POST", "/api/v1/apply", "x");
    request.headers_mut().insert("content-type", "image/png".parse().unwrap());
    words.push(fixture.reply(request).await.words());
    insta::assert_snapshot!(words.join("\n"), @r"
    400 malformed: not YAML: document 1: did not find expected ',' or ']' at line 2 column 2, while parsing a flow sequence at line 1 column 4
    400 malformed: not YAML: document 1: duplicate key `a`
    422 nothing_to_apply: the body holds no manifest
    422 nothing_to_apply: the body holds no manifest
    400 malformed: not JSON: EOF while parsing a value at line 1 column 0
    400 malformed: not JSON: duplicate key `a` at line 1 column 12
    415 unsupported_media_type: the body must be application/json or application/yaml
    ");
}

#[tokio::test]
async fn a_manifest_of_ten_megabytes_is_refused_and_the_whole_of_it_read() {
    let fixture = Fixture::new();
    let reply = fixture.ask("POST", "/api/v1/apply", vec![b' '; 10 << 20]).await;
    insta::assert_snapshot!(reply.words(), @"413 too_large: the body has more than 1048576 bytes, the most there may be");
}

#[tokio::test]
async fn paths_methods_and_parameters_that_do_not_exist_are_named() {
    let fixture = Fixture::new();
    let cases = [
        ("GET", "/api/v1/nothing"),
        ("GET", "/api/v1/servers/nobody"),
        ("GET", "/api/v1/servers/nobody/why"),
        ("GET", "/api/v1/servers/%ff"),
        ("GET", "/api/v1/probes"),
        ("GET", "/openapi.json"),
        ("POST", "/api/v1/servers/nobody/restart"),
        ("DELETE", "/api/v1/servers/nobody"),
        ("GET", "/api/v1/instances/nobody"),
        ("GET", "/api/v1/secrets/nobody"),
        ("GET", "/api/v1/secretbackends/nobody"),
        ("DELETE", "/api/v1/secretbackends/sealed"),
        ("POST", "/api/v1/status"),
        ("PATCH", "/api/v1/secrets/s"),
        ("GET", "/api/v1/servers?label=x"),
        ("GET", "/api/v1/watch?x"),
        ("GET", "/api/v1/instances?label=x"),
        ("GET", "/api/v1/instances?server=%ff"),
        ("GET", "/api/v1/events?follow=perhaps"),
        ("GET", "/api/v1/instances/x/logs?tail=-1"),
        ("GET", "/api/v1/instances/x/logs?tail=1&tail=2"),
        ("GET", "/api/v1/instances/x/logs?follow=true&previous=true"),
        ("POST", "/api/v1/apply?prune=yes"),
    ];
    let mut words = Vec::new();
    for (method, path) in cases {
        words.push(format!("{method} {path} → {}", fixture.ask(method, path, "").await.words()));
    }
    insta::assert_snapshot!(words.join("\n"));
}

#[tokio::test]
async fn a_filter_on_a_name_that_does_not_exist_gives_an_empty_list() {
    let fixture = Fixture::new();
    for path in ["/api/v1/instances?server=nobody", "/api/v1/events?server=nobody", "/api/v1/servers"] {
        let reply = fixture.get(path).await;
        assert_eq!((reply.status, reply.json()), (StatusCode::OK, json!({"items": []})), "{path}");
    }
}
