//! The server's pipe itself, and the live connection over it.

use std::process::Stdio;
use std::time::Duration;

use mcpd_mcp::{Answer, Caller, ConnectOptions, Connection};
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::PARAMS;
use crate::daemon::MCPD;

const DEADLINE: Duration = Duration::from_secs(10);

/// Time of `count` rounds of `depth` requests and their answers, without anything in between. The whole
/// round runs where the calls of the daemon run: on a worker, not on the thread that blocks.
pub(crate) async fn bare(depth: usize, count: u64) -> Duration {
    let mut tasks = JoinSet::new();
    tasks.spawn(rounds(depth, count));
    tasks.join_next().await.expect("one task").expect("no panic")
}

async fn rounds(depth: usize, count: u64) -> Duration {
    let (_child, mut stdin, stdout) = server();
    let mut stdout = BufReader::new(stdout);
    let request = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"id\":1,\"params\":{PARAMS}}}\n");
    let mut line = Vec::new();
    let began = Instant::now();
    for _ in 0..count {
        for _ in 0..depth {
            stdin.write_all(request.as_bytes()).await.expect("writable");
        }
        for _ in 0..depth {
            line.clear();
            stdout.read_until(b'\n', &mut line).await.expect("readable");
        }
    }
    assert!(line.windows(7).any(|part| part == b"\"hello\""), "{}", String::from_utf8_lossy(&line));
    began.elapsed()
}

/// A live connection to a server of its own.
pub(crate) async fn connect() -> Connection {
    let (mut child, stdin, stdout) = server();
    let options = ConnectOptions::new("bench", 1);
    let connection = Connection::open(stdout, stdin, options).await.expect("connected");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { child.wait().await });
    tasks.detach_all();
    connection
}

/// Time of `count` rounds in which each of `callers` makes one call through the one connection.
pub(crate) async fn calls(connection: &Connection, callers: usize, count: u64) -> Duration {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        tasks.spawn(repeat(connection.clone(), count));
    }
    tasks.join_all().await;
    began.elapsed()
}

async fn repeat(connection: Connection, count: u64) {
    let params = RawValue::from_string(PARAMS.to_owned()).expect("JSON");
    for _ in 0..count {
        let answer = connection.request(Caller::Client, "tools/call", Some(&params), DEADLINE).await;
        assert!(matches!(answer, Ok(Answer::Result(_))), "{answer:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark over a real pipe needs a process behind it")]
fn server() -> (Child, ChildStdin, ChildStdout) {
    let mut child = tokio::process::Command::new(MCPD)
        .arg("demo-server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    (child, stdin.expect("piped"), stdout.expect("piped"))
}
