//! Wrong input: a clear problem answer each time, and nothing is changed.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Daemon, hostile, id, is_functional};

const MANIFEST_BYTES: usize = 10 << 20;
/// No mistake, and no list of mistakes, needs more bytes than this.
const LONG_WORDS: usize = 10_000;

/// What stands after `kind: server` and `name: a`, and a mistake that has to be told.
fn wrong_servers() -> Vec<(String, &'static str)> {
    let many = |field: &str, entry: &str, count: usize| {
        format!("command: [x]\n{field}: [{}]", [entry].repeat(count).join(", "))
    };
    let labels: Vec<_> = (0..65).map(|number| format!("l{number}: x")).collect();
    let mut wrong = vec![
        (many("args", "x", 257), "args: has 257 entries, at most 256"),
        (many("env", "{name: A, value: x}", 257), "env: has 257 entries, at most 256"),
        (many("args", &"x".repeat(4097), 1), "args[0]: has 4097 bytes, at most 4096"),
        (
            format!("command: [x]\nenv: [{{name: A, value: {}}}]", "x".repeat(32_769)),
            "env[0].value: has 32769 bytes",
        ),
        (
            format!("command: [x]\ndescription: {}", "x".repeat(1025)),
            "description: has 1025 bytes, at most 1024",
        ),
        (format!("command: [x]\nlabels: {{{}}}", labels.join(", ")), "labels: has 65 entries, at most 64"),
    ];
    wrong.extend(WRONG_FIELDS.map(|(field, words)| (format!("command: [x]\n{field}"), words)));
    wrong.extend(WRONG_LAUNCHES.map(|(text, words)| (text.to_owned(), words)));
    wrong
}

const WRONG_FIELDS: [(&str, &str); 18] = [
    ("replica: 2", "replica: unknown field, did you mean `replicas`?"),
    ("healthCheck: {tols: x}", "healthCheck.tols: unknown field"),
    ("replicas: two", "replicas: must be a whole number from 0 to 10, not a string"),
    ("replicas: 11", "replicas: must be a whole number from 0 to 10, not 11"),
    ("replicas: -1", "replicas: must be a whole number from 0 to 10, not -1"),
    ("env: [{name: PORT, value: 8080}]", "env[0].value: must be a string, not a number"),
    ("env: [{name: 1A, value: x}]", "env[0].name: must be the name of a variable"),
    ("env: [{name: A, value: x}, {name: A, value: y}]", "env: names `A` twice"),
    ("env: [{name: A}]", "env[0]: has neither `value` nor `valueFrom`"),
    ("env: [{name: A, value: \"a\\0b\"}]", "env[0].value: "),
    ("args: [\"a\\0b\"]", "args[0]: "),
    (
        "healthCheck: {timeoutSeconds: 0}",
        "healthCheck.timeoutSeconds: must be a number from 0.01 to 600, not 0",
    ),
    ("healthCheck: {timeoutSeconds: 601}", "healthCheck.timeoutSeconds: must be a number from 0.01 to 600"),
    (
        "healthCheck: {intervalSeconds: 0.09}",
        "healthCheck.intervalSeconds: must be a number from 0.1 to 86400",
    ),
    (
        "healthCheck: {intervalSeconds: 86401}",
        "healthCheck.intervalSeconds: must be a number from 0.1 to 86400",
    ),
    (
        "healthCheck: {failureThreshold: 0}",
        "healthCheck.failureThreshold: must be a whole number from 1 to 100",
    ),
    (
        "healthCheck: {failureThreshold: 101}",
        "healthCheck.failureThreshold: must be a whole number from 1 to 100",
    ),
    ("healthCheck: {tool: a, probe: b}", "healthCheck: has both `tool` and `probe`"),
];

const WRONG_LAUNCHES: [(&str, &str); 4] = [
    ("replicas: 1", "says not what to run: one of dockerImage, packageName, command, externalUrl"),
    ("dockerImage: i\npackageName: p\nruntime: node", "has dockerImage and packageName"),
    ("packageName: p\nruntime: node\ncommand: [x]", "has both packageName and command"),
    ("packageName: p", "runtime: is missing"),
];

const OTHER_WRONG: [(&str, &str); 8] = [
    ("kind: pod\nname: a", "kind: unknown value `pod`"),
    ("name: a\ncommand: [x]", "kind: is missing"),
    ("kind: server\ncommand: [x]", "name: is missing"),
    ("kind: server\nname: Bad_Name\ncommand: [x]", "name: must be a name of lower-case letters"),
    ("kind: secret\nname: s\ndata: {a/b: x}", "data[\"a/b\"]"),
    ("kind: secret\nname: s\ndata: {..: x}", "data[\"..\"]"),
    ("kind: secretbackend\nname: s\ntype: vault", "type: unknown value `vault`"),
    ("- kind\n- server", "must be an object, not a string"),
];

/// A daemon with one of each thing, which has to stay as it is.
async fn settled() -> (Daemon, Vec<Value>) {
    let daemon = Daemon::start().await;
    let server =
        super::harness::with(hostile("settled", "plain"), "healthCheck", json!({ "disabled": true }));
    daemon.apply(&[json!({ "kind": "secret", "name": "kept", "data": { "token": "t" } }), server]).await;
    daemon.instance("settled", |view| view["protocolVersion"] != Value::Null).await;
    let state = state(&daemon).await;
    (daemon, state)
}

/// All that input could have changed.
async fn state(daemon: &Daemon) -> Vec<Value> {
    let mut state = Vec::new();
    for path in ["/servers", "/instances", "/secrets", "/secretbackends"] {
        let mut items = daemon.get(path).await.body["items"].clone();
        // Health of a backend carries the time when it was looked at.
        items
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .for_each(|item| drop(item.as_object_mut().unwrap().remove("health")));
        state.push(items);
    }
    state
}

async fn apply_text(daemon: &Daemon, text: impl Into<reqwest::Body>) -> Answer {
    let request = daemon.request(Method::POST, "/api/v1/apply").header("content-type", "application/yaml");
    daemon.send(request.body(text)).await
}

#[tokio::test]
async fn each_mistake_of_a_manifest_is_named_with_its_path_and_nothing_is_changed() {
    let (daemon, before) = settled().await;
    let servers =
        wrong_servers().into_iter().map(|(text, words)| (format!("kind: server\nname: a\n{text}"), words));
    for (text, words) in servers.chain(OTHER_WRONG.map(|(text, words)| (text.to_owned(), words))) {
        let answer = apply_text(&daemon, text.clone()).await;
        assert_eq!(answer.problem(), (422, "invalid_manifest"), "{text:.200}: {answer:?}");
        let told = answer.body["errors"].as_array().unwrap().iter().map(|error| {
            format!("{}: {}", error["path"].as_str().unwrap(), error["message"].as_str().unwrap())
        });
        let told = told.collect::<Vec<_>>().join("\n");
        assert!(told.contains(words), "REST, {text:.200}: {told}");
    }
    assert_eq!(state(&daemon).await, before);
}

#[tokio::test]
async fn mcpctl_tells_the_same_mistakes_and_where_they_stand() {
    let (daemon, before) = settled().await;
    for (text, words) in OTHER_WRONG {
        let told = daemon.ctl_with("apply -f -", text).await.failed(1);
        assert!(told.contains(words) && told.contains("stdin"), "{text}: {told}");
    }
    let good = hostile("good", "plain").to_string();
    let several = format!(
        "{good}\n---\nkind: server\nname: A\nreplicas: 11\nbanana: 1\n---\nkind: secret\nname: s\ndata: {{a/b: x}}"
    );
    let told = daemon.ctl_with("apply -f -", &several).await.failed(1);
    for words in [
        "document 2",
        "name: must be",
        "replicas: must be",
        "banana: unknown field",
        "says not what to run",
        "document 3",
        "data[\"a/b\"]",
    ] {
        assert!(told.contains(words), "{words} is not in:\n{told}");
    }
    assert_eq!(state(&daemon).await, before);
}

#[tokio::test]
async fn what_is_no_yaml_too_large_or_nothing_at_all_is_refused() {
    let (daemon, before) = settled().await;
    let large = format!("kind: server\nname: a\ndescription: {}", "x".repeat(MANIFEST_BYTES));
    assert_eq!(apply_text(&daemon, "kind: [server").await.problem(), (400, "malformed"));
    assert_eq!(apply_text(&daemon, vec![b'k', 0xff, 0xfe]).await.problem(), (400, "malformed"));
    assert_eq!(apply_text(&daemon, "--- \n---\n").await.problem(), (422, "nothing_to_apply"));
    assert_eq!(apply_text(&daemon, large.clone()).await.problem(), (413, "too_large"));
    let (deep, long) = (format!("kind: {}", "[".repeat(200_000)), "- [1]\n".repeat(100_000));
    assert_eq!(apply_text(&daemon, deep.clone()).await.problem(), (400, "malformed"));
    let told = apply_text(&daemon, long.clone()).await;
    assert_eq!(told.problem(), (422, "invalid_manifest"));
    assert!(told.text().len() < LONG_WORDS, "{:.2000}", told.text());
    for text in ["kind: [server", large.as_str(), "", "---\n---\n", &deep, &long] {
        let told = daemon.ctl_with("apply -f -", text).await.failed(1);
        assert!(told.starts_with("error: ") && told.len() < LONG_WORDS, "{text:.20}: {told:.2000}");
    }
    assert_eq!(state(&daemon).await, before);
}

#[tokio::test]
async fn what_refers_to_something_unknown_is_refused_or_warned_about() {
    let (daemon, before) = settled().await;
    let nowhere = json!({ "kind": "secret", "name": "s", "backend": "nowhere" });
    let told = daemon.try_apply(&[nowhere]).await.failed(1);
    assert!(told.contains("nowhere"), "{told}");
    assert_eq!(state(&daemon).await, before);
    let env = super::harness::secret_env("TOKEN", "not-there");
    let ran = daemon.try_apply(&[super::harness::with(hostile("early", "plain"), "env", env)]).await;
    assert!(ran.code == 0 && ran.stderr.contains("not-there"), "{ran:?}");
}

#[tokio::test]
async fn invalid_json_to_any_post_is_refused_and_changes_nothing() {
    let (daemon, before) = settled().await;
    let instance = daemon.instances("settled").await.pop().unwrap();
    let checks = format!("/instances/{}/checks", id(&instance));
    let paths = [
        "/servers",
        "/secrets",
        "/secretbackends",
        "/apply",
        "/servers/settled/mcp",
        "/servers/settled/restart",
    ];
    for path in paths.into_iter().chain([checks.as_str()]) {
        for text in ["{", "{\"a\":1}}", "{\"a\":1,\"a\":2}", "[1,", "nonsense", "\u{0}"] {
            assert_eq!(daemon.post_text(path, text).await.problem(), (400, "malformed"), "{path}: {text:?}");
        }
    }
    assert_eq!(daemon.checks(&instance).await, Vec::<Value>::new());
    assert_eq!(state(&daemon).await, before);
}

#[tokio::test]
async fn wrong_tokens_hosts_and_origins_are_kept_out() {
    let (daemon, before) = settled().await;
    let create = || daemon.bare(Method::POST, "/api/v1/apply").body(hostile("evil", "plain").to_string());
    assert_eq!(daemon.send(create()).await.problem(), (401, "unauthorized"));
    assert_eq!(daemon.send(create().bearer_auth("wrong")).await.problem(), (401, "unauthorized"));
    let authorized = || create().bearer_auth(&daemon.token);
    assert_eq!(
        daemon.send(authorized().header("host", "evil.example.com")).await.problem(),
        (421, "wrong_host")
    );
    for origin in ["http://evil.example.com", "null"] {
        assert_eq!(daemon.send(authorized().header("origin", origin)).await.problem(), (403, "forbidden"));
    }
    for path in ["/api/v1/status", "/api/v1/no-such-path", "/metrics", "/mcp"] {
        assert_eq!(daemon.send(daemon.bare(Method::GET, path)).await.status, 401, "{path}");
    }
    assert_eq!(daemon.send(daemon.bare(Method::GET, "/livez")).await.status, 200);
    assert_eq!(state(&daemon).await, before);
}

#[tokio::test]
async fn names_that_are_taken_stale_versions_and_other_names_are_refused() {
    let daemon = Daemon::start().await;
    daemon.apply(&[hostile("settled", "plain")]).await;
    daemon.instance("settled", is_functional).await;
    let before = daemon.get("/servers/settled").await.body["version"].clone();
    let same = daemon.post("/servers", hostile("settled", "noise")).await;
    assert_eq!(same.problem(), (409, "already_exists"));
    let put = |name: &str, version: &str| {
        let request =
            daemon.request(Method::PUT, "/api/v1/servers/settled").header("if-match", version.to_owned());
        daemon.send(request.json(&hostile(name, "noise")))
    };
    assert_eq!(put("settled", "4711").await.problem().0, 412);
    assert!([400, 422].contains(&put("other", &before.to_string()).await.problem().0));
    assert_eq!(daemon.get("/servers/settled").await.body["version"], before);
}
