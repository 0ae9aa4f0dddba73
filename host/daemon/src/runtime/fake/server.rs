//! The scripted MCP server behind a fake start.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::time::Instant;

use super::{FakeRuntime, Greeting, OnCall, Received, Script};
use crate::runtime::StartRequest;

/// The code of a server that refuses; none that the handshake takes for "another version, please".
const REFUSED: i64 = -32_000;

/// Serves until the pipe ends or the run is ended.
pub(super) async fn serve(fake: FakeRuntime, request: StartRequest, pipe: DuplexStream) {
    let (read, mut write) = tokio::io::split(pipe);
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let method = message["method"].as_str().unwrap_or_default().to_owned();
        let received = Received { at: Instant::now(), instance: request.instance.clone(), method };
        fake.lock().received.push(received);
        let Some(answer) = answer(&fake.script_of(&request.server), &message).await else { continue };
        if write.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn answer(script: &Script, message: &Value) -> Option<Value> {
    let id = message.get("id")?;
    let outcome = match message["method"].as_str()? {
        "initialize" => greet(script.greeting)?,
        "tools/list" => result(json!({"tools": []})),
        "tools/call" => {
            let tool = message["params"]["name"].as_str()?;
            call(script.tools.get(tool).copied().unwrap_or(OnCall::Text("ok"))).await?
        }
        _ => error(-32_601, "method not found"),
    };
    let mut answer = json!({"jsonrpc": "2.0", "id": id});
    answer[outcome.0] = outcome.1;
    Some(answer)
}

fn greet(greeting: Greeting) -> Option<(&'static str, Value)> {
    match greeting {
        Greeting::Answers => Some(result(json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "fake", "version": "1"},
        }))),
        Greeting::Refuses(words) => Some(error(REFUSED, words)),
        Greeting::Silent => None,
    }
}

async fn call(on_call: OnCall) -> Option<(&'static str, Value)> {
    let content = |text: &str, is_error: bool| {
        result(json!({"content": [{"type": "text", "text": text}], "isError": is_error}))
    };
    match on_call {
        OnCall::Text(text) => Some(content(text, false)),
        OnCall::ToolError(text) => Some(content(text, true)),
        OnCall::RpcError(words) => Some(error(REFUSED, words)),
        OnCall::After(wait) => {
            tokio::time::sleep(wait).await;
            Some(content("ok", false))
        }
        OnCall::Silent => None,
    }
}

fn result(value: Value) -> (&'static str, Value) {
    ("result", value)
}

fn error(code: i64, message: &str) -> (&'static str, Value) {
    ("error", json!({"code": code, "message": message}))
}
