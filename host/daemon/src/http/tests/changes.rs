//! Changes of desired state: all or nothing, told to the engine, and never a value in an answer.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::fixture::{Fixture, Reply};
use crate::http::engine::Containers;
use crate::http::views::tests::ready;
use crate::runtime::Sight;
use crate::runtime::auto::{PackagePlace, Packages};

const SECRET: &str = "a-secret-value";

const LIST: &str = "
kind: secretbackend
name: files
type: file
config: { path: /srv/secrets }
---
kind: secret
name: creds
data: { token: a-secret-value }
---
kind: server
name: demo
command: [mcpd, demo-server]
env:
  - { name: TOKEN, valueFrom: { secretRef: { name: creds, key: token } } }
";

/// Each object with what was done, in order, then the warnings and problems.
fn done(reply: &Reply) -> String {
    let mut lines = vec![format!("{} dryRun={}", reply.status.as_u16(), reply.json()["dryRun"])];
    for item in reply.json()["items"].as_array().unwrap() {
        let word = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
        lines.push(format!("{} {} {}", word("kind"), word("name"), word("action")));
        let warnings = item["warnings"].as_array().unwrap().iter();
        lines.extend(warnings.map(|warning| format!("  warning: {}", warning.as_str().unwrap())));
        if let Some(error) = item.get("error") {
            lines.push(format!(
                "  {}: {}",
                error["code"].as_str().unwrap(),
                error["detail"].as_str().unwrap()
            ));
        }
    }
    lines.join("\n")
}

#[tokio::test]
async fn a_list_is_created_then_unchanged_and_the_engine_is_told_once() {
    let fixture = Fixture::new();
    insta::assert_snapshot!(done(&fixture.apply("", LIST).await), @r"
    200 dryRun=false
    secretbackend files created
    secret creds created
    server demo created
    ");
    let told = ["backend files", "secret creds", "server demo version 1 deleting false"];
    assert_eq!(fixture.engine.take_told(), told);
    let before = fixture.everything().await;
    insta::assert_snapshot!(done(&fixture.apply("", LIST).await), @r"
    200 dryRun=false
    secretbackend files unchanged
    secret creds unchanged
    server demo unchanged
    ");
    assert!(fixture.engine.take_told().is_empty());
    assert_eq!(fixture.everything().await, before);
}

#[tokio::test]
async fn a_changed_value_is_configured_and_no_answer_holds_it() {
    let fixture = Fixture::new();
    fixture.apply("", LIST).await;
    let changed = LIST.replace(SECRET, "another-secret-value");
    insta::assert_snapshot!(done(&fixture.apply("", &changed).await), @r"
    200 dryRun=false
    secretbackend files unchanged
    secret creds configured
    server demo unchanged
    ");
    for path in ["/api/v1/secrets", "/api/v1/secrets/creds", "/api/v1/servers", "/api/v1/secretbackends"] {
        let text = fixture.get(path).await.text;
        assert!(!text.contains("secret-value"), "{path}: {text}");
    }
    let secret = fixture.get("/api/v1/secrets/creds").await.json();
    assert_eq!((&secret["keys"], &secret["usedBy"]), (&json!(["token"]), &json!(["demo"])));
    assert_eq!(secret["fingerprints"]["token"].as_str().unwrap().len(), 12);
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_writes_nothing() {
    let fixture = Fixture::new();
    insta::assert_snapshot!(done(&fixture.apply("?dryRun=true", LIST).await), @r"
    200 dryRun=true
    secretbackend files created
    secret creds created
    server demo created
    ");
    assert_eq!(fixture.everything().await, "[] [] []");
    assert!(fixture.engine.take_told().is_empty());
}

#[tokio::test]
async fn what_an_earlier_apply_made_is_pruned_and_nothing_else() {
    let fixture = Fixture::new();
    fixture.apply("", LIST).await;
    fixture.ask("POST", "/api/v1/servers", json!({"name": "by-hand", "command": ["x"]}).to_string()).await;
    fixture.engine.take_told();
    let rest = "kind: server\nname: other\ncommand: [x]";
    insta::assert_snapshot!(done(&fixture.apply("?prune=true", rest).await), @r"
    200 dryRun=false
    server other created
    server demo pruned
    secret creds pruned
    secretbackend files pruned
    ");
    let told = fixture.engine.take_told();
    assert_eq!(told[..2], ["server other version 1 deleting false", "server demo version 1 deleting true"]);
    assert!(fixture.api.board.find_server("by-hand").is_some());
}

#[tokio::test]
async fn one_refused_object_keeps_all_others_from_being_written() {
    let fixture = Fixture::new();
    let list = "
{kind: server, name: good, command: [x]}
---
{kind: secret, name: lost, backend: nowhere, data: {a: b}}
---
{kind: secretbackend, name: env, type: env, config: {prefix: MCPD_SECRET_}}
---
{kind: secret, name: read-only, backend: env, data: {a: b}}
---
{kind: secretbackend, name: bao, type: openbao, config: {url: 'https://bao.example.com', auth: {method: token, tokenSecretRef: {name: bao-token, key: token}}}}
---
{kind: secret, name: bao-token, backend: bao}
---
{kind: secretbackend, name: sealed, type: env, config: {prefix: A_}}
---
{kind: probe, name: mine, source: ./mine.wasm}
";
    insta::assert_snapshot!(done(&fixture.apply("", list).await), @r"
    200 dryRun=true
    server good created
    secret lost failed
      unusable_backend: secret lost names secret backend nowhere, which does not exist
    secretbackend env created
    secret read-only failed
      backend_read_only: secret read-only brings data, but secret backend env (env) is read-only
    secretbackend bao failed
      unusable_backend: secret backend bao needs itself: bao needs secret bao-token in bao
    secret bao-token created
    secretbackend sealed failed
      unusable_backend: secret backend sealed is built in and of type sealed
    probe mine failed
      invalid_manifest: probe mine cannot be stored
    ");
    assert_eq!(fixture.everything().await, "[] [] []");
    assert!(fixture.engine.take_told().is_empty());
}

#[tokio::test]
async fn what_cannot_work_here_is_accepted_with_a_warning() {
    let fixture = Fixture::new();
    let list = "
kind: secret
name: creds
data: { token: x }
---
kind: server
name: a
command: [x]
transport: SSE
resources: { memoryMiB: 64 }
env:
  - { name: A, valueFrom: { secretRef: { name: creds, key: other } } }
  - { name: B, valueFrom: { secretRef: { name: gone, key: x } } }
healthCheck: { probe: mine }
---
{kind: server, name: b, dockerImage: image}
---
{kind: server, name: c, externalUrl: 'http://localhost:1/mcp'}
---
{kind: secret, name: empty}
";
    insta::assert_snapshot!(done(&fixture.apply("", list).await), @"
    200 dryRun=false
    secret creds created
    server a created
      warning: variable A: secret creds has no key other, and nothing is started without it
      warning: variable B: there is no secret gone, and nothing is started without it
      warning: transport: processes of the host are spoken to over STDIO only
      warning: resources: not enforced for processes of the host
      warning: healthCheck.probe: there is no probe mine, so its checks tell nothing
    server b created
      warning: dockerImage: no instance can start, for this mcpd uses no container engine
    server c created
      warning: externalUrl: this mcpd connects to no external server yet
    secret empty created
      warning: secret empty brings no data, so it has no keys
    ");
    let warnings = fixture.get("/api/v1/servers/a").await.json()["warnings"].as_array().unwrap().len();
    assert_eq!(warnings, 5);
}

#[tokio::test]
async fn what_the_engine_cannot_do_now_is_a_warning_too() {
    let fixture = Fixture::new();
    let list = "
{kind: server, name: image, dockerImage: a, imagePullSecret: login, transport: SSE, containerPort: 80}
---
{kind: server, name: node, packageName: p, runtime: node, resources: {memoryMiB: 64}}
---
{kind: server, name: python, packageName: p, runtime: python}
";
    let mut said = Vec::new();
    let engines = [
        Sight::Unneeded,
        Sight::Lost("connection refused".to_owned()),
        Sight::Seen("Docker 20.10".to_owned()),
    ];
    for engine in engines {
        let (node, python) =
            (PackagePlace::ContainerIfAny, PackagePlace::Nowhere("runtime.pythonRunnerImage"));
        let packages = Packages { node, python };
        *fixture.engine.containers.lock().unwrap() = Containers { engine: Some(engine), packages };
        said.push(done(&fixture.apply("?dryRun=true", list).await));
    }
    insta::assert_snapshot!(said.join("\n"), @"
    200 dryRun=true
    server image created
      warning: imagePullSecret: there is no secret login, and nothing is started without it
      warning: transport: this mcpd has no HTTP transport yet, so the server runs and is not connected
    server node created
    server python created
      warning: packageName: runtime.kind is docker and runtime.pythonRunnerImage names no image, so no instance can start
    200 dryRun=true
    server image created
      warning: imagePullSecret: there is no secret login, and nothing is started without it
      warning: dockerImage: no instance can start until the container engine answers: connection refused
      warning: transport: this mcpd has no HTTP transport yet, so the server runs and is not connected
    server node created
      warning: resources: not enforced for processes of the host
    server python created
      warning: packageName: runtime.kind is docker and runtime.pythonRunnerImage names no image, so no instance can start
    200 dryRun=true
    server image created
      warning: imagePullSecret: there is no secret login, and nothing is started without it
      warning: transport: this mcpd has no HTTP transport yet, so the server runs and is not connected
    server node created
    server python created
      warning: packageName: runtime.kind is docker and runtime.pythonRunnerImage names no image, so no instance can start
    ");
}

#[tokio::test]
async fn no_container_is_given_the_data_folder() {
    let fixture = Fixture::new();
    let of = |source: &str| {
        json!({"dockerImage": "a", "volumes": [{"source": source, "target": "/b"}]}).to_string()
    };
    let refused = fixture.ask("PUT", "/api/v1/servers/demo", of("/var/lib")).await;
    insta::assert_snapshot!(refused.words(), @"
    422 invalid_manifest: server demo asks for what no container is given
      volumes[0].source: /var/lib holds the data folder of mcpd (/var/lib/mcpd), with which a container could read every secret
    ");
    assert!(fixture.engine.take_told().is_empty());
    assert_eq!(fixture.ask("PUT", "/api/v1/servers/demo", of("/srv")).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn what_cannot_be_proved_gone_is_forgotten_by_force() {
    let fixture = Fixture::new();
    let body = json!({"name": "demo", "dockerImage": "a"}).to_string();
    fixture.ask("POST", "/api/v1/servers", body).await;
    fixture.put(ready("a1"));
    assert_eq!(fixture.ask("DELETE", "/api/v1/servers/demo", "").await.status, StatusCode::ACCEPTED);
    fixture.engine.take_told();
    let instance = fixture.ask("DELETE", "/api/v1/instances/a1?force=true", "").await;
    assert_eq!((instance.status, instance.json()), (StatusCode::OK, json!({"left": ["a1"]})));
    let server = fixture.ask("DELETE", "/api/v1/servers/demo?force=true", "").await;
    assert_eq!((server.status, server.json()), (StatusCode::OK, json!({"left": ["a1"]})));
    let told = ["forget instance a1", "server demo version 1 deleting true", "forget server demo"];
    assert_eq!(fixture.engine.take_told(), told);
    fixture.engine.forgets_deletions.store(true, std::sync::atomic::Ordering::Relaxed);
    let unwritten = fixture.ask("DELETE", "/api/v1/instances/a1?force=true", "").await.words();
    insta::assert_snapshot!(unwritten, @"503 unavailable: the store does not answer, so what was to be forgotten is not yet");
    for path in ["/api/v1/servers/gone?force=true", "/api/v1/instances/gone?force=true"] {
        assert_eq!(fixture.ask("DELETE", path, "").await.status, StatusCode::NOT_FOUND);
    }
    let words = fixture.ask("DELETE", "/api/v1/secrets/a?force=true", "").await.words();
    insta::assert_snapshot!(words, @"400 invalid_query: unknown parameter `force`, this path takes none");
}

#[tokio::test]
async fn post_creates_put_replaces_and_a_version_that_is_old_is_refused() {
    let fixture = Fixture::new();
    let body = |replicas: u32| json!({"name": "demo", "command": ["x"], "replicas": replicas}).to_string();
    let created = fixture.ask("POST", "/api/v1/servers", body(1)).await;
    assert_eq!((created.status, &created.json()["version"]), (StatusCode::CREATED, &json!(1)));
    let again = fixture.ask("POST", "/api/v1/servers", body(2)).await;
    insta::assert_snapshot!(again.words(), @"409 already_exists: server demo exists already");
    let replaced = fixture.ask("PUT", "/api/v1/servers/demo", body(2)).await;
    assert_eq!((replaced.status, &replaced.json()["version"]), (StatusCode::OK, &json!(2)));
    let mut stale = Fixture::request("PUT", "/api/v1/servers/demo", body(3));
    stale.headers_mut().insert("if-match", "\"1\"".parse().unwrap());
    insta::assert_snapshot!(fixture.reply(stale).await.words(), @"412 version_mismatch: server demo has version 2, not 1");
    let mut fresh = Fixture::request("PUT", "/api/v1/servers/demo", body(3));
    fresh.headers_mut().insert("if-match", "\"2\"".parse().unwrap());
    assert_eq!(fixture.reply(fresh).await.json()["version"], 3);
    let other = fixture.ask("PUT", "/api/v1/servers/new", json!({"command": ["x"]}).to_string()).await;
    assert_eq!(other.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_patch_is_merged_and_read_as_a_whole() {
    let fixture = Fixture::new();
    let body = json!({"name": "demo", "command": ["x"], "labels": {"team": "dev"}, "replicas": 2});
    fixture.ask("POST", "/api/v1/servers", body.to_string()).await;
    let patch = json!({"labels": {"team": null, "tier": "one"}, "replicas": 0}).to_string();
    let view = fixture.ask("PATCH", "/api/v1/servers/demo", patch).await.json();
    assert_eq!((&view["labels"], &view["replicas"]), (&json!({"tier": "one"}), &json!(0)));
    let wrong = fixture.ask("PATCH", "/api/v1/servers/demo", json!({"replicas": 99}).to_string()).await;
    insta::assert_snapshot!(wrong.words(), @r"
    422 invalid_manifest: server demo has one mistake
      replicas: must be a whole number from 0 to 10, not 99
    ");
    assert_eq!(fixture.get("/api/v1/servers/demo").await.json()["version"], 2);
}

#[tokio::test]
async fn a_server_goes_in_steps_and_takes_no_manifest_meanwhile() {
    let fixture = Fixture::new();
    let body = json!({"name": "demo", "command": ["x"]}).to_string();
    fixture.ask("POST", "/api/v1/servers", body.clone()).await;
    assert_eq!(fixture.ask("DELETE", "/api/v1/servers/demo", "").await.status, StatusCode::ACCEPTED);
    let view = fixture.get("/api/v1/servers/demo").await.json();
    assert_eq!(view["rollout"], "being deleted, 0 instances are left");
    insta::assert_snapshot!(fixture.ask("PUT", "/api/v1/servers/demo", body).await.words(), @"409 in_use: server demo is being deleted");
}

#[tokio::test]
async fn a_backend_in_use_stays_and_a_restart_is_passed_on() {
    let fixture = Fixture::new();
    fixture.apply("", LIST).await;
    fixture.ask("PUT", "/api/v1/secrets/elsewhere", json!({"backend": "files"}).to_string()).await;
    insta::assert_snapshot!(fixture.ask("DELETE", "/api/v1/secretbackends/files", "").await.words(), @"409 in_use: secret backend files is in use by secret elsewhere");
    assert_eq!(fixture.ask("DELETE", "/api/v1/secrets/elsewhere", "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        fixture.ask("DELETE", "/api/v1/secretbackends/files", "").await.status,
        StatusCode::NO_CONTENT
    );
    fixture.engine.take_told();
    assert_eq!(fixture.ask("POST", "/api/v1/servers/demo/restart", "").await.status, StatusCode::ACCEPTED);
    assert_eq!(fixture.engine.take_told(), ["server demo version 1 deleting false"]);
}

#[tokio::test]
async fn a_view_can_be_applied_again_once_the_status_is_taken_off() {
    let fixture = Fixture::new();
    fixture.apply("", LIST).await;
    let view: mcpd_api::view::ServerView =
        serde_json::from_str(&fixture.get("/api/v1/servers/demo").await.text).unwrap();
    let manifest: Value = serde_json::to_value(&view.manifest).unwrap();
    let reply = fixture.ask("POST", "/api/v1/apply", manifest.to_string()).await;
    assert_eq!(reply.json()["items"][0]["action"], "unchanged");
}

#[tokio::test]
async fn a_change_is_finished_although_its_client_went_away() {
    let fixture = Fixture::new();
    {
        let body = json!({"name": "demo", "command": ["x"]}).to_string();
        let mut asking = std::pin::pin!(fixture.ask("POST", "/api/v1/servers", body));
        assert!(futures::poll!(&mut asking).is_pending());
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.engine.take_told(), ["server demo version 1 deleting false"]);
}

#[tokio::test]
async fn the_engine_is_told_of_a_write_whose_answer_was_lost() {
    let fixture = Fixture::new();
    let earlier = Fixture::over(std::sync::Arc::clone(&fixture.store));
    let manifest = "kind: server\nname: demo\ncommand: [x]";
    earlier.apply("", manifest).await;
    assert_eq!(fixture.apply("", manifest).await.json()["items"][0]["action"], "unchanged");
    assert_eq!(fixture.engine.take_told(), ["server demo version 1 deleting false"]);
}

#[tokio::test]
async fn the_store_on_disk_takes_and_prunes_a_list_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::sqlite::SqliteStore::open(&folder.path().join("mcpd.db")).await.unwrap();
    let fixture = Fixture::over(std::sync::Arc::new(store));
    assert_eq!(fixture.apply("", LIST).await.status, StatusCode::OK);
    assert_eq!(fixture.apply("", LIST).await.json()["items"][1]["action"], "unchanged");
    let rest = "kind: server\nname: other\ncommand: [x]";
    let pruned = done(&fixture.apply("?prune=true", rest).await);
    assert!(pruned.contains("secretbackend files pruned"), "{pruned}");
}
