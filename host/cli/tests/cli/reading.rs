//! `get`, `describe`, `why`, `tools`, `status`, `version`, `completion`.

use serde_json::{Value, json};

use crate::fake::{Fake, instance, items, seconds_ago, server};
use crate::run::{mcpctl, with_stdin};

async fn fleet() -> Fake {
    let fake = Fake::start().await;
    let mut broken = instance("p8d1qa", "demo-wrong-token");
    broken["healthStatus"] = json!("unhealthy");
    broken["ready"] = json!(false);
    broken["verified"] = json!(false);
    broken["lastCheck"]["verdict"] = json!("failure");
    broken["lastCheck"]["message"] = json!("token is required\n\u{1b}[31m");
    fake.json("GET /instances", items(&[instance("k3v9x2", "demo"), broken]))
        .json("GET /instances?server=demo", items(&[instance("k3v9x2", "demo")]))
        .json("GET /instances?server=k3v9x2", items(&[]))
        .json("GET /instances/k3v9x2", instance("k3v9x2", "demo"))
        .json("GET /servers", items(&[server("demo")]))
        .json("GET /servers/demo", server("demo"));
    fake
}

#[tokio::test]
async fn instances_are_listed_as_in_the_design() {
    let fake = fleet().await;
    let ended = mcpctl(&fake, "get instances").await;
    insta::assert_snapshot!(ended.stdout, @"
    ID      SERVER            STATUS   HEALTH     READY              CHECK                   RESTARTS  NEXT RETRY  AGE
    k3v9x2  demo              RUNNING  healthy    yes                whoami ok 4m ago        0                     1m
    p8d1qa  demo-wrong-token  RUNNING  unhealthy  no                 token is required [31m  0                     1m
    ");
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    assert_eq!(fake.asked()[0].authorization.as_deref(), Some("Bearer t0ken"));
}

#[tokio::test]
async fn kinds_have_several_words_and_names_two_forms() {
    let fake = fleet().await;
    for arguments in ["get inst k3v9x2 -o name", "get instance/k3v9x2 -o name", "get instances demo -o name"]
    {
        assert_eq!(mcpctl(&fake, arguments).await.stdout, "instance/k3v9x2\n", "{arguments}");
    }
    assert_eq!(mcpctl(&fake, "get srv -o name").await.stdout, "server/demo\n");
}

#[tokio::test]
async fn a_server_stands_for_its_most_telling_instance() {
    let fake = Fake::start().await;
    let mut all = ["aaaaaa", "bbbbbb", "cccccc"].map(|id| instance(id, "demo"));
    all[1]["healthStatus"] = json!("unhealthy");
    fake.json("GET /instances?server=demo", items(&all)).json("GET /instances/bbbbbb", all[1].clone());
    assert_eq!(mcpctl(&fake, "get inst demo -o name").await.stdout, "instance/bbbbbb\n");
    all[2]["status"] = json!("ERROR");
    fake.json("GET /instances?server=demo", items(&all)).json("GET /instances/cccccc", all[2].clone());
    assert_eq!(mcpctl(&fake, "get inst demo -o name").await.stdout, "instance/cccccc\n");
}

#[tokio::test]
async fn json_is_the_answer_of_the_daemon() {
    let fake = fleet().await;
    let one: Value =
        serde_json::from_str(&mcpctl(&fake, "get instance k3v9x2 -o json").await.stdout).unwrap();
    assert_eq!(one["aFieldOfTomorrow"], json!(true));
    let all: Value = serde_json::from_str(&mcpctl(&fake, "get instances -o json").await.stdout).unwrap();
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn yaml_of_a_server_is_what_apply_takes() {
    let fake = fleet().await;
    let yaml = mcpctl(&fake, "get server demo -o yaml").await.stdout;
    insta::assert_snapshot!(yaml, @"
    kind: server
    name: demo
    transport: STDIO
    command:
    - mcpd
    - demo-server
    env:
    - name: A
      valueFrom:
        secretRef:
          key: k
          name: s
    replicas: 1
    labels:
      team: dev
    healthCheck:
      tool: whoami
      intervalSeconds: 5
    ");
    let applied =
        json!({"items": [{"kind": "server", "name": "demo", "action": "unchanged"}], "dryRun": false});
    fake.json("POST /apply?dryRun=false&prune=false", applied);
    assert_eq!(with_stdin(&fake, "apply -f -", &yaml).await.stdout, "server/demo unchanged\n");
}

#[tokio::test]
async fn labels_select_servers_and_their_instances() {
    let fake = fleet().await;
    assert_eq!(mcpctl(&fake, "get inst -l team=dev -o name").await.stdout, "instance/k3v9x2\n");
    let none = mcpctl(&fake, "get srv -l team!=dev").await;
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (0, "", "no servers found\n"));
}

#[tokio::test]
async fn servers_have_a_table_of_their_own() {
    let fake = fleet().await;
    insta::assert_snapshot!(mcpctl(&fake, "get servers").await.stdout, @"
    NAME  READY  FUNCTIONAL  RUNS              AGE
    demo  1/1    1/1         mcpd demo-server  1m
    ");
    insta::assert_snapshot!(mcpctl(&fake, "get servers -o wide").await.stdout, @"
    NAME  READY  FUNCTIONAL  RUNS              AGE  TRANSPORT  UPDATED  LABELS    ROLLOUT  WARNINGS
    demo  1/1    1/1         mcpd demo-server  1m   STDIO      1/1      team=dev           1
    ");
}

#[tokio::test]
async fn a_server_that_is_being_deleted_is_shown_as_such() {
    let fake = Fake::start().await;
    let mut going = server("demo");
    going["rollout"] = json!("being deleted, 1 instances are left");
    fake.json("GET /servers", items(&[going]));
    insta::assert_snapshot!(mcpctl(&fake, "get servers").await.stdout, @"
    NAME  READY           FUNCTIONAL  RUNS              AGE
    demo  1/1 (deleting)  1/1         mcpd demo-server  1m
    ");
}

#[tokio::test]
async fn secrets_and_backends_are_listed_without_values() {
    let fake = Fake::start().await;
    let dates = json!({"version": 1, "createdAt": seconds_ago(7200), "updatedAt": seconds_ago(7200)});
    let merged = |mut view: Value| {
        view.as_object_mut().unwrap().extend(dates.as_object().unwrap().clone());
        view
    };
    let secret = merged(json!({"kind": "secret", "name": "creds", "backend": "sealed", "keys": ["token"],
        "fingerprints": {"token": "f00"}, "usedBy": ["demo"]}));
    let backend = merged(json!({"kind": "secretbackend", "name": "env", "type": "env",
        "config": {"prefix": "P_"}, "health": {"ok": true, "message": "", "checkedAt": null}, "usedBy": []}));
    fake.json("GET /secrets", items(&[secret])).json("GET /secretbackends", items(&[backend]));
    insta::assert_snapshot!(mcpctl(&fake, "get secrets").await.stdout, @"
    NAME   BACKEND  KEYS   USED BY  AGE
    creds  sealed   token  demo     2h
    ");
    insta::assert_snapshot!(mcpctl(&fake, "get secrets -o yaml").await.stdout, @"
    backend: sealed
    kind: secret
    name: creds
    ");
    insta::assert_snapshot!(mcpctl(&fake, "get sb").await.stdout, @"
    NAME  TYPE  HEALTH  SECRETS  AGE
    env   env   ok      0        2h
    ");
    insta::assert_snapshot!(mcpctl(&fake, "get sb -o yaml").await.stdout, @"
    config:
      prefix: P_
    kind: secretbackend
    name: env
    type: env
    ");
}

#[tokio::test]
async fn a_server_is_described_with_its_reason_and_its_instances() {
    let fake = fleet().await;
    let why = json!({"sentence": "demo is Ready: whoami worked", "since": "2026-01-01T00:00:00Z", "next": "check",
        "nextAt": null, "chain": ["the last check passed", "it was made 4s ago"]});
    fake.json("GET /servers/demo/why", why);
    let described = mcpctl(&fake, "describe server demo").await.stdout;
    for part in [
        "Name:          demo\n",
        "Runs:          mcpd demo-server\n",
        "Health check:  tool whoami, every 5s\n",
        "Env:           A from secret s, key k\n",
        "Replicas:      1 wanted, 1 there, 1 running, 1 ready, 1 functional, 1 up to date\n",
        "Warning:       secret s is not there\n",
        "\nWhy:\n  demo is Ready: whoami worked\n    since  ",
        "\n    └ the last check passed\n      └ it was made 4s ago\n",
        "\nInstances:\n  ID      SERVER  STATUS",
    ] {
        assert!(described.contains(part), "{part} is not in\n{described}");
    }
}

#[tokio::test]
async fn an_instance_is_described_with_its_checks_and_events() {
    let fake = fleet().await;
    let check = json!({"at": seconds_ago(260), "durationMs": 3.2, "verdict": "pass", "message": "ok", "reason": "",
        "kind": null, "details": null, "probe": "tool-call", "digest": null, "manual": false, "calls": [],
        "logs": [], "measures": []});
    fake.json("GET /instances/k3v9x2/checks", items(&[check]));
    let described = mcpctl(&fake, "describe inst demo").await.stdout;
    for part in [
        "Id:            k3v9x2\n",
        "Ready:         yes\n",
        "Pid:           4711\n",
        "\nConditions:\n  TYPE   STATUS  REASON       SINCE  MESSAGE\n  Ready  True    CheckPassed  1m\n",
        "\nLast checks:\n  WHEN    VERDICT  TIME    CALLS  MESSAGE\n  4m ago  pass     3.2 ms  0      ok\n",
        "HealthCheckPassed  Health check passed (x3)\n",
    ] {
        assert!(described.contains(part), "{part} is not in\n{described}");
    }
}

#[tokio::test]
async fn what_runs_in_a_container_is_described_with_all_that_it_asks_for() {
    let fake = fleet().await;
    let mut view = instance("k3v9x2", "demo");
    view["containerId"] = json!("0123456789abcdef0123456789abcdef");
    view["image"] = json!("demo:1");
    view["port"] = json!(40_001);
    let mut contained = server("demo");
    contained.as_object_mut().unwrap().remove("command");
    contained["dockerImage"] = json!("demo:1");
    contained["imagePullPolicy"] = json!("Always");
    contained["imagePullSecret"] = json!("login");
    contained["resources"] = json!({"memoryMiB": 64, "cpus": 0.5});
    contained["volumes"] = json!([{"source": "/srv", "target": "/data", "readOnly": true}]);
    contained["readOnlyRootFilesystem"] = json!(true);
    fake.json("GET /instances?server=demo", items(&[view.clone()])).json("GET /servers/demo", contained);
    fake.json("GET /instances/k3v9x2/checks", items(&[]));
    let described = mcpctl(&fake, "describe inst demo").await.stdout;
    for part in [
        "Container:     0123456789abcdef0123456789abcdef\n",
        "Image:         demo:1\n",
        "Port:          40001\n",
        "Pull:          always, with the login of secret login\n",
        "Limits:        64 MiB of memory, 0.5 CPUs\n",
        "Volumes:       /srv at /data (read-only)\n",
        "Root:          read-only, /tmp in memory\n",
    ] {
        assert!(described.contains(part), "{part} is not in\n{described}");
    }
}

#[tokio::test]
async fn why_takes_a_server_or_an_instance() {
    let fake = fleet().await;
    let why = json!({"sentence": "demo is Ready", "since": seconds_ago(7280), "next": "the next check",
        "nextAt": null, "chain": ["the last check passed"]});
    fake.json("GET /servers/demo/why", why);
    for arguments in ["why demo", "why k3v9x2", "why instance k3v9x2", "why srv/demo"] {
        let said = mcpctl(&fake, arguments).await.stdout;
        assert!(said.starts_with("demo is Ready\n  since  2h1m ("), "{arguments}: {said}");
        assert!(said.ends_with("  next   the next check\n  └ the last check passed\n"), "{said}");
    }
}

#[tokio::test]
async fn tools_are_listed_with_the_first_line_of_their_description() {
    let fake = Fake::start().await;
    let tools = [
        json!({"name": "whoami", "description": "Says who you are\nand more", "inputSchema": {"type": "object"}}),
        json!({"name": "add"}),
    ];
    fake.json("GET /servers/demo/tools", items(&tools));
    insta::assert_snapshot!(mcpctl(&fake, "tools demo").await.stdout, @"
    NAME    DESCRIPTION
    whoami  Says who you are
    add
    ");
    assert!(mcpctl(&fake, "tools demo -o json").await.stdout.contains("inputSchema"));
}

#[tokio::test]
async fn status_is_one_page() {
    let fake = fleet().await;
    let status = json!({
        "version": "0.1.0", "startedAt": seconds_ago(7280),
        "servers": {"total": 3, "ready": 2, "verified": 1, "notReady": 1, "stopped": 0},
        "instances": {"total": 3, "starting": 0, "running": 2, "stopping": 0, "error": 1, "healthy": 2,
            "degraded": 0, "unhealthy": 0},
        "parts": [{"name": "store", "state": "ok", "message": ""},
            {"name": "runtime docker", "state": "failing", "message": "the socket is gone", "since": seconds_ago(80),
                "hint": "start it"},
            {"name": "secret backend bao", "state": "failing", "message": "sealed"}],
    });
    fake.json("GET /status", status);
    let page = mcpctl(&fake, "status").await.stdout.replace(&fake.url, "URL");
    insta::assert_snapshot!(page, @"
    mcpd 0.1.0 at URL, up 2h1m
    servers    3: 2 ready (1 unverified), 1 not ready, 0 stopped
    instances  3: 2 running (2 healthy, 0 degraded, 0 unhealthy), 0 starting, 1 in error

    PART                STATE    SINCE  MESSAGE
    store               ok
    runtime docker      failing  1m     the socket is gone
    secret backend bao  failing         sealed

    runtime docker: start it

    ID      SERVER            STATUS   HEALTH     READY              CHECK                   RESTARTS  NEXT RETRY  AGE
    k3v9x2  demo              RUNNING  healthy    yes                whoami ok 4m ago        0                     1m
    p8d1qa  demo-wrong-token  RUNNING  unhealthy  no                 token is required [31m  0                     1m
    ");
    let version = mcpctl(&fake, "version").await.stdout.replace(&fake.url, "URL");
    insta::assert_snapshot!(version, @"
    mcpctl 0.1.0
    mcpd 0.1.0 at URL
    ");
}

#[tokio::test]
async fn a_shell_gets_its_completion() {
    let fake = Fake::start().await;
    let script = mcpctl(&fake, "completion bash").await.stdout;
    assert!(script.contains("_mcpctl()"));
    assert!(fake.asked().is_empty());
}
