//! The scripted MCP server behind a fake start.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Attachment, FakeRuntime, Greeting, Lifetime, OnCall, Received, Script};
use crate::runtime::{Exit, StartRequest};

/// The code of a server that refuses; none that the handshake takes for "another version, please".
const REFUSED: i64 = -32_000;

/// How often a frozen engine is looked at, in paused time.
const LOOK: Duration = Duration::from_millis(10);

/// Serves who is attached, one after the other, for as long as it lives or until the run is ended.
pub(super) async fn serve(
    fake: FakeRuntime,
    request: StartRequest,
    mut attachments: mpsc::UnboundedReceiver<Attachment>,
    lifetime: Lifetime,
) {
    let mut server = Server { fake, request, greetings: 0 };
    let mut next = attachments.recv().await;
    while let Some(attachment) = next {
        next = match attachment {
            Attachment::Off => attachments.recv().await,
            Attachment::To(pipe) => tokio::select! {
                () = server.converse(pipe) => match lifetime {
                    Lifetime::OfPipe => return,
                    Lifetime::OfContainer => attachments.recv().await,
                },
                attachment = attachments.recv(), if lifetime == Lifetime::OfContainer => attachment,
            },
        };
    }
}

struct Server {
    fake: FakeRuntime,
    request: StartRequest,
    greetings: usize,
}

impl Server {
    async fn converse(&mut self, pipe: DuplexStream) {
        let (read, mut write) = tokio::io::split(pipe);
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            while self.fake.lock().is_frozen {
                tokio::time::sleep(LOOK).await;
            }
            let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
            let method = message["method"].as_str().unwrap_or_default().to_owned();
            let received = Received { at: Instant::now(), instance: self.request.instance.clone(), method };
            self.fake.lock().history.received.push(received);
            let Some(answer) = self.answer(&message).await else { continue };
            if write.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&mut self, message: &Value) -> Option<Value> {
        let id = message.get("id")?;
        let script = self.fake.script_of(&self.request.server);
        let outcome = match message["method"].as_str()? {
            "initialize" => self.greet(&script)?,
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

    fn greet(&mut self, script: &Script) -> Option<(&'static str, Value)> {
        self.greetings += 1;
        let greeting = if self.greetings == 1 { script.greeting } else { script.second_greeting };
        if let Greeting::Exits(words) = greeting {
            self.fake.exit(&self.request.instance, Exit::Code(1), words);
        }
        greet(greeting)
    }
}

fn greet(greeting: Greeting) -> Option<(&'static str, Value)> {
    match greeting {
        Greeting::Answers => Some(result(json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "fake", "version": "1"},
        }))),
        Greeting::Refuses(words) => Some(error(REFUSED, words)),
        Greeting::Silent | Greeting::Exits(_) => None,
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
