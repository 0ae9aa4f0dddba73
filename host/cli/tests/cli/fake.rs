//! A fake daemon: it answers what it was told to and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use mcpd_api::exec::{ExecEnd, Frame, Frames};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A daemon that is none.
pub(crate) struct Fake {
    pub(crate) url: String,
    shared: Arc<Mutex<Shared>>,
    _server: JoinSet<()>,
}

/// What it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

#[derive(Default)]
struct Shared {
    answers: HashMap<String, (u16, &'static str, String)>,
    commands: HashMap<String, Vec<Frame>>,
    asked: Vec<Asked>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, _server: server }
    }

    /// Answers `GET /servers` and the like, below `/api/v1`, with this JSON.
    pub(crate) fn json(&self, line: &str, body: Value) -> &Self {
        self.answer(line, 200, "application/json", body.to_string())
    }

    /// Answers with a problem.
    pub(crate) fn problem(&self, line: &str, body: Value) -> &Self {
        let status = u16::try_from(body["status"].as_u64().unwrap()).unwrap();
        self.answer(line, status, "application/problem+json", body.to_string())
    }

    /// Answers with text of any kind.
    pub(crate) fn text(&self, line: &str, body: &str) -> &Self {
        self.answer(line, 200, "text/plain", body.to_owned())
    }

    /// Runs a command that says these frames, and then each piece of its stdin in capitals. It ends with code 7 when its
    /// stdin is closed or an empty line comes.
    pub(crate) fn command(&self, line: &str, frames: Vec<Frame>) -> &Self {
        self.shared.lock().unwrap().commands.insert(below_api(line), frames);
        self
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.lock().unwrap().asked.clone()
    }

    fn answer(&self, line: &str, status: u16, media_type: &'static str, body: String) -> &Self {
        self.shared.lock().unwrap().answers.insert(below_api(line), (status, media_type, body));
        self
    }
}

fn below_api(line: &str) -> String {
    let (method, path) = line.split_once(' ').unwrap();
    format!("{method} /api/v1{path}")
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, mut request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let authorization = request.headers().get(header::AUTHORIZATION);
    let authorization = authorization.map(|value| value.to_str().unwrap().to_owned());
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let mut shared = shared.lock().unwrap();
    shared.asked.push(Asked { line: line.clone(), authorization, body });
    if let Some(frames) = shared.commands.get(&line) {
        return run(upgrade.unwrap(), frames.clone());
    }
    match shared.answers.get(&line) {
        Some((status, media_type, body)) => {
            let status = StatusCode::from_u16(*status).unwrap();
            (status, [(header::CONTENT_TYPE, *media_type)], body.clone()).into_response()
        }
        None => (StatusCode::NOT_FOUND, not_there(&line)).into_response(),
    }
}

fn run(upgrade: OnUpgrade, frames: Vec<Frame>) -> Response {
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut connection = TokioIo::new(upgrade.await.unwrap());
        for frame in frames {
            say(&mut connection, &frame).await;
        }
        let _ = echo(&mut connection).await;
    });
    task.detach_all();
    let headers = [(header::CONNECTION, "Upgrade"), (header::UPGRADE, mcpd_api::exec::PROTOCOL)];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

async fn echo(connection: &mut TokioIo<Upgraded>) -> Option<()> {
    let mut frames = Frames::default();
    let mut chunk = [0; 1024];
    loop {
        while let Some(frame) = frames.next_frame().unwrap() {
            let answer = match frame {
                Frame::Stdin(data) if matches!(&data[..], b"\n" | b"\r") => END,
                Frame::Stdin(data) => Frame::Stdout(data.to_ascii_uppercase()),
                Frame::Resize(size) => Frame::Stdout(format!("{}x{};", size.columns, size.rows).into()),
                _ => END,
            };
            say(connection, &answer).await;
            if answer == END {
                return None;
            }
        }
        match connection.read(&mut chunk).await.ok()? {
            0 => return None,
            count => frames.push(&chunk[..count]),
        }
    }
}

/// How the command of a fake ends.
pub(crate) const END: Frame = Frame::End(ExecEnd::ExitCode(7));

async fn say(connection: &mut TokioIo<Upgraded>, frame: &Frame) {
    let mut bytes = Vec::new();
    frame.write_to(&mut bytes);
    let _ = connection.write_all(&bytes).await;
}

fn not_there(line: &str) -> String {
    json!({
        "type": "urn:mcpd:problem:server_not_found", "title": "There is no such server", "status": 404,
        "detail": format!("nothing is there for {line}"), "code": "server_not_found",
    })
    .to_string()
}

/// A moment before now, as a view says it. Tests choose one whose age is shown the same for half a minute.
#[expect(clippy::disallowed_methods, reason = "what the program shows are ages, counted from the real now")]
pub(crate) fn seconds_ago(seconds: i64) -> String {
    (Timestamp::now() - SignedDuration::from_secs(seconds)).to_string()
}

/// A running instance that works.
pub(crate) fn instance(id: &str, server: &str) -> Value {
    json!({
        "id": id, "serverId": "s1", "server": server, "status": "RUNNING", "containerId": null, "pid": 4711,
        "port": null, "healthStatus": "healthy", "verified": true, "ready": true,
        "lastHealthCheck": seconds_ago(4),
        "conditions": [{"type": "Ready", "status": "True", "reason": "CheckPassed", "message": "",
            "lastTransitionAt": seconds_ago(80)}],
        "events": [{"type": "Normal", "reason": "HealthCheckPassed", "message": "Health check passed", "count": 3,
            "timestamp": seconds_ago(60), "lastTimestamp": seconds_ago(80)}],
        "metadata": {"attemptCount": 0, "lastAttemptAt": null, "nextRetryAt": null, "error": null},
        "lastCheck": {"verdict": "pass", "message": "ok", "reason": "", "kind": null, "at": seconds_ago(260),
            "durationMs": 3.2, "probe": "tool-call", "tool": "whoami"},
        "restarts": 0, "image": null, "protocolVersion": "2025-11-25", "version": 3,
        "createdAt": seconds_ago(80), "updatedAt": seconds_ago(4), "aFieldOfTomorrow": true,
    })
}

/// A server with one replica that works.
pub(crate) fn server(name: &str) -> Value {
    json!({
        "kind": "server", "name": name, "transport": "STDIO", "command": ["mcpd", "demo-server"], "replicas": 1,
        "labels": {"team": "dev"}, "healthCheck": {"tool": "whoami", "intervalSeconds": 5},
        "env": [{"name": "A", "valueFrom": {"secretRef": {"name": "s", "key": "k"}}}],
        "id": "s1", "conditions": [], "readyReplicas": 1, "verifiedReplicas": 1, "runningReplicas": 1,
        "updatedReplicas": 1, "currentReplicas": 1, "warnings": ["secret s is not there"], "rollout": null,
        "version": 1, "createdAt": seconds_ago(80), "updatedAt": seconds_ago(61), "aFieldOfTomorrow": true,
    })
}

/// A list of views.
pub(crate) fn items(items: &[Value]) -> Value {
    json!({ "items": items })
}
