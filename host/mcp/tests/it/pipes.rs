//! What only a real pipe can tell. Time is real here: the kernel's is not to be paused.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write, pipe};
use std::os::fd::OwnedFd;

use mcpd_mcp::{CallError, CloseReason, ConnectError, Connection};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::{Duration, timeout};

use crate::peer::{call, greeting, options, result};

const SECOND: Duration = Duration::from_secs(1);

/// The server's ends of both pipes.
struct Process {
    stdin: BufReader<PipeReader>,
    stdout: PipeWriter,
}

impl Process {
    fn hear(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.stdin.read_line(&mut line).expect("readable");
        serde_json::from_str(&line).expect("a message")
    }

    fn answer(&mut self, result: &serde_json::Value) {
        let id = self.hear()["id"].clone();
        writeln!(self.stdout, "{}", json!({ "jsonrpc": "2.0", "id": id, "result": result }))
            .expect("writable");
    }

    fn greet(mut self) -> Self {
        self.answer(&greeting("2025-11-25"));
        assert_eq!(self.hear()["method"], "notifications/initialized");
        self
    }
}

fn process() -> (OwnedFd, OwnedFd, Process) {
    let (stdout, their_stdout) = pipe().expect("a pipe");
    let (their_stdin, stdin) = pipe().expect("a pipe");
    (stdout.into(), stdin.into(), Process { stdin: BufReader::new(their_stdin), stdout: their_stdout })
}

async fn connect() -> (Connection, Process) {
    let (stdout, stdin, process) = process();
    let greeted = spawn_blocking(move || process.greet());
    let (connection, process) = tokio::join!(Connection::open_pipes(stdout, stdin, options()), greeted);
    (connection.expect("connected"), process.expect("greeted"))
}

#[tokio::test]
async fn a_call_goes_through_a_pipe_and_back() {
    let (connection, mut process) = connect().await;
    let answered = spawn_blocking(move || {
        process.answer(&json!("fine"));
        process
    });
    assert_eq!(result(call(&connection, "a").await), "\"fine\"");
    let mut process = answered.await.expect("answered");
    connection.close();
    let end = spawn_blocking(move || process.stdin.read_line(&mut String::new()).expect("readable"));
    assert_eq!(timeout(SECOND, end).await.expect("in time").expect("no panic"), 0, "stdin has ended");
}

#[tokio::test]
async fn a_closed_stdin_is_noticed_without_anything_being_written() {
    let (connection, process) = connect().await;
    drop(process.stdin);
    let reason = timeout(SECOND, connection.closed()).await.expect("in time");
    assert!(matches!(reason, CloseReason::StdinBroken(_)), "{reason}");
    assert!(matches!(call(&connection, "a").await, Err(CallError::NotConnected { .. })));
}

#[tokio::test]
async fn an_exit_is_told_by_its_stdout() {
    let (connection, process) = connect().await;
    drop(process.stdin);
    drop(process.stdout);
    assert_eq!(timeout(SECOND, connection.closed()).await, Ok(CloseReason::StdoutEnded));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_not_read_yet_is_not_asked_to_discover() {
    let (stdout, stdin, mut process) = process();
    // Nothing happens outside, so the paused clock runs on to the end of the handshake.
    let error = Connection::open_pipes(stdout, stdin, options()).await.expect_err("nobody answers");
    assert!(matches!(error, ConnectError::Silent { .. }), "{error}");
    let heard = spawn_blocking(move || {
        assert_eq!(process.hear()["method"], "initialize");
        process.stdin.read_line(&mut String::new()).expect("readable")
    });
    assert_eq!(heard.await.expect("no panic"), 0, "and nothing else");
}

#[tokio::test]
async fn what_is_no_pipe_is_refused() {
    let (stdout, _, _process) = process();
    let no_pipe = std::fs::File::open("/dev/null").expect("there").into();
    let error = Connection::open_pipes(stdout, no_pipe, options()).await.expect_err("no pipe");
    assert!(matches!(error, ConnectError::Lost { .. }), "{error}");
}
