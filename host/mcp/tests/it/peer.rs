//! The scripted server: the other ends of two in-memory pipes, driven line by line.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpd_mcp::{Answer, CallError, Caller, ConnectOptions, Connection, Limits};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, duplex};

/// Like a pipe of Linux.
pub(crate) const PIPE_BYTES: usize = 64 << 10;
pub(crate) const ID_START: u64 = 4_000_000_000_000_000;
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Peer {
    stdin: Lines<BufReader<DuplexStream>>,
    stdout: DuplexStream,
}

/// What a connection wrote to the log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("log").clone()
    }

    pub(crate) fn options(&self) -> ConnectOptions {
        let lines = Arc::clone(&self.0);
        let noise = Arc::new(move |line: &str| lines.lock().expect("log").push(line.to_owned()));
        ConnectOptions { noise, ..options() }
    }
}

pub(crate) fn options() -> ConnectOptions {
    ConnectOptions::new("gitea", ID_START)
}

pub(crate) fn limits(limits: Limits) -> ConnectOptions {
    ConnectOptions { limits, ..options() }
}

/// The streams of a connection and the peer at their other ends.
pub(crate) fn streams() -> (DuplexStream, DuplexStream, Peer) {
    let (stdout, their_stdout) = duplex(PIPE_BYTES);
    let (stdin, their_stdin) = duplex(PIPE_BYTES);
    let peer = Peer { stdin: BufReader::new(their_stdin).lines(), stdout: their_stdout };
    (stdout, stdin, peer)
}

/// A connection that has been greeted in the older era.
pub(crate) async fn connect(options: ConnectOptions) -> (Connection, Peer) {
    let (stdout, stdin, mut peer) = streams();
    let (connection, ()) = tokio::join!(Connection::open(stdout, stdin, options), peer.greet("2025-11-25"));
    (connection.expect("connected"), peer)
}

/// A client's call with the usual deadline.
pub(crate) async fn call(connection: &Connection, method: &str) -> Result<Answer, CallError> {
    connection.request(Caller::Client, method, None, DEADLINE).await
}

pub(crate) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

/// The text of a result; panics on anything else.
pub(crate) fn result(answer: Result<Answer, CallError>) -> String {
    match answer.expect("an answer") {
        Answer::Result(result) => result.get().to_owned(),
        Answer::Error(error) => panic!("an error: {}", error.message),
    }
}

impl Peer {
    /// The next message that the server is sent, as text.
    pub(crate) async fn hear_text(&mut self) -> String {
        self.stdin.next_line().await.expect("readable").expect("a message")
    }

    /// The next message that the server is sent.
    pub(crate) async fn hear(&mut self) -> Value {
        serde_json::from_str(&self.hear_text().await).expect("JSON")
    }

    /// Whether stdin has ended.
    pub(crate) async fn hears_the_end(&mut self) -> bool {
        self.stdin.next_line().await.expect("readable").is_none()
    }

    /// Hears a request and gives its id.
    pub(crate) async fn hear_call(&mut self, method: &str) -> u64 {
        let message = self.hear().await;
        assert_eq!(message["method"], method, "{message}");
        message["id"].as_u64().expect("an integer id")
    }

    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        self.stdout.write_all(bytes).await.expect("writable");
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.say_bytes(format!("{message}\n").as_bytes()).await;
    }

    pub(crate) async fn answer(&mut self, id: u64, result: Value) {
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "result": result })).await;
    }

    pub(crate) async fn refuse(&mut self, id: u64, code: i64, message: &str) {
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })).await;
    }

    /// Answers the handshake of the older era.
    pub(crate) async fn greet(&mut self, version: &str) {
        let id = self.hear_call("initialize").await;
        self.answer(id, greeting(version)).await;
        assert_eq!(self.hear().await["method"], "notifications/initialized");
    }

    pub(crate) fn close_stdin(self) -> DuplexStream {
        self.stdout
    }
}

pub(crate) fn greeting(version: &str) -> Value {
    json!({
        "protocolVersion": version,
        "serverInfo": { "name": "gitea", "version": "1.0" },
        "capabilities": { "tools": { "listChanged": true } },
    })
}
