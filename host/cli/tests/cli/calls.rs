//! `call` and `check`.

use serde_json::{Value, json};

use crate::fake::{Fake, instance, items};
use crate::run::{mcpctl, with_stdin};

const MCP: &str = "POST /servers/demo/mcp";

#[tokio::test]
async fn the_text_of_a_result_is_printed_and_the_arguments_go_untouched() {
    let fake = Fake::start().await;
    let image = json!({"type": "image", "data": "AA==", "mimeType": "image/png"});
    let text = json!({"type": "text", "text": "three\n"});
    fake.json(MCP, json!({"jsonrpc": "2.0", "id": 1, "result": {"content": [text, image]}}));
    let ended = with_stdin(&fake, "call demo add -", r#"{"a": 1.10, "b": 12345678901234567890123}"#).await;
    insta::assert_snapshot!(ended.stdout, @r#"
    three
    {"data":"AA==","mimeType":"image/png","type":"image"}
    "#);
    assert_eq!(ended.code, 0);
    insta::assert_snapshot!(fake.asked()[0].body, @r#"{"method":"tools/call","params":{"name":"add","arguments":{"a": 1.10, "b": 12345678901234567890123}},"timeoutSeconds":60.0}"#);
}

#[tokio::test]
async fn json_gives_the_result_as_the_server_gave_it() {
    let fake = Fake::start().await;
    fake.text(MCP, r#"{"result": {"z": 1.10,  "content": []}}"#);
    assert_eq!(mcpctl(&fake, "call demo add -o json").await.stdout, "{\"z\": 1.10,  \"content\": []}\n");
}

#[tokio::test]
async fn a_tool_that_fails_and_a_server_that_refuses_make_the_exit_code_1() {
    let fake = Fake::start().await;
    let failed = json!({"content": [{"type": "text", "text": "token is required"}], "isError": true});
    fake.json(MCP, json!({ "result": failed }));
    let ended = mcpctl(&fake, "call demo whoami").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (1, ""));
    assert_eq!(ended.stderr, "error: the tool failed: token is required\n");

    fake.json(MCP, json!({"error": {"code": -32602, "message": "no such tool"}}));
    let ended = mcpctl(&fake, "call demo nothing").await;
    assert_eq!((ended.code, ended.stderr.as_str()), (1, "error: the server answered -32602: no such tool\n"));
}

fn check(verdict: &str, message: &str, outcome: &str) -> Value {
    json!({
        "at": "2026-01-01T00:00:00Z", "durationMs": 12.4, "verdict": verdict, "message": message, "reason": "",
        "kind": if verdict == "failure" { json!("tool") } else { json!(null) }, "details": null,
        "probe": "tool-call", "digest": "sha256:0", "manual": true,
        "calls": [{"method": "tools/call", "tool": "whoami", "durationMs": 3.2, "outcome": outcome,
            "message": if outcome == "ok" { json!(null) } else { json!(message) }}],
        "logs": [{"level": "info", "message": "hello"}], "measures": [{"name": "rows", "value": 3.0}],
    })
}

#[tokio::test]
async fn a_check_shows_each_call_and_its_exit_code_says_whether_it_passed() {
    let fake = Fake::start().await;
    let mut idle = instance("aaaaaa", "demo");
    idle["status"] = json!("ERROR");
    fake.json("GET /instances?server=demo", items(&[idle, instance("k3v9x2", "demo")]));
    fake.json("POST /instances/k3v9x2/checks", check("pass", "ok", "ok"));
    let ended = mcpctl(&fake, "check demo").await;
    assert_eq!(ended.code, 0);
    insta::assert_snapshot!(ended.stdout, @"
    demo/k3v9x2: pass: ok [probe tool-call, 12 ms]
    CALL        TOOL    TIME    OUTCOME  MESSAGE
    tools/call  whoami  3.2 ms  ok
    rows = 3
    info: hello
    ");

    fake.json("POST /instances/k3v9x2/checks", check("failure", "token is required", "tool"));
    let ended = mcpctl(&fake, "check demo").await;
    assert_eq!(ended.code, 6);
    insta::assert_snapshot!(ended.stdout, @"
    demo/k3v9x2: failure (tool): token is required [probe tool-call, 12 ms]
    CALL        TOOL    TIME    OUTCOME  MESSAGE
    tools/call  whoami  3.2 ms  tool     token is required
    rows = 3
    info: hello
    ");
    insta::assert_snapshot!(ended.stderr, @"error: the check of demo did not pass: token is required");
}

#[tokio::test]
async fn a_name_that_nothing_has_is_not_found() {
    let fake = Fake::start().await;
    fake.json("GET /instances?server=nobody", items(&[]));
    let ended = mcpctl(&fake, "check nobody").await;
    assert_eq!((ended.code, ended.stderr.as_str()), (3, "error: there is no server or instance nobody\n"));

    fake.json("GET /instances?server=empty", items(&[]));
    fake.json("GET /servers/empty", crate::fake::server("empty"));
    let ended = mcpctl(&fake, "logs empty").await;
    assert_eq!(ended.code, 3);
    insta::assert_snapshot!(ended.stderr, @"error: server empty has no instance: `mcpctl why empty` says why");
}
