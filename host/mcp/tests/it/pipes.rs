//! What only a real pipe can tell. Time is real here: the kernel's is not to be paused.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::OwnedFd;

use mcpd_mcp::{CallError, Caller, CloseReason, ConnectError, Connection};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::{Duration, sleep, timeout};

use crate::peer::{call, greeting, options, raw, result};

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(5);

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
        self.say(&id, result);
    }

    fn say(&mut self, id: &serde_json::Value, result: &serde_json::Value) {
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
async fn closing_ends_stdin_at_once_with_calls_under_way_and_half_written() {
    let (connection, mut process) = connect().await;
    let more_than_a_pipe_holds = raw(&json!({ "text": "x".repeat(1 << 20) }).to_string());
    let waiting = call(&connection, "a");
    let half_written =
        connection.request(Caller::Client, "b", Some(&more_than_a_pipe_holds), Duration::from_secs(10));
    let server = async {
        // By now both calls were written, as far as the pipe takes them.
        connection.close();
        let heard = spawn_blocking(move || {
            let a = process.hear();
            process.stdin.read_to_end(&mut Vec::new()).expect("an end");
            writeln!(process.stdout, "{}", json!({ "jsonrpc": "2.0", "id": a["id"], "result": 1 }))
        });
        timeout(SECOND, heard).await.expect("in time").expect("no panic").expect("writable");
    };
    let (answered, lost, ()) = tokio::join!(waiting, half_written, server);
    assert_eq!(result(answered), "1", "what was sent may still be answered");
    assert!(matches!(lost, Err(CallError::Lost { reason: CloseReason::ClosedByUs, .. })), "{lost:?}");
}

#[tokio::test]
async fn giving_up_the_handshake_closes_both_streams() {
    let (stdout, stdin, mut process) = process();
    let given_up = timeout(SECOND / 10, Connection::open_pipes(stdout, stdin, options())).await;
    assert!(given_up.is_err(), "nobody answers");
    let end = spawn_blocking(move || {
        process.hear();
        assert_eq!(process.stdin.read_line(&mut String::new()).expect("readable"), 0, "stdin has ended");
        process.stdout.write_all(b"x").expect_err("nobody reads").kind()
    });
    let kind = timeout(SECOND, end).await.expect("in time").expect("no panic");
    assert_eq!(kind, std::io::ErrorKind::BrokenPipe);
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

#[tokio::test]
async fn a_server_that_closed_its_stdout_keeps_its_stdin_until_the_connection_is_closed() {
    let (connection, process) = connect().await;
    drop(process.stdout);
    assert_eq!(timeout(SECOND, connection.closed()).await, Ok(CloseReason::StdoutEnded));
    let mut stdin = process.stdin;
    let mut end = spawn_blocking(move || stdin.read_line(&mut String::new()));
    assert!(timeout(SECOND / 10, &mut end).await.is_err(), "its stdin was closed");
    assert!(matches!(call(&connection, "a").await, Err(CallError::NotConnected { .. })));
    connection.close();
    let read = timeout(SECOND, end).await.expect("in time").expect("no panic");
    assert_eq!(read.expect("an end"), 0, "nothing was sent");
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

#[tokio::test(start_paused = true)]
async fn silence_counts_from_when_the_server_has_read() {
    let (stdout, stdin, mut process) = process();
    // Real pipes in paused time: without these short steps time would jump past what they have to say.
    let steps = async {
        loop {
            sleep(STEP).await;
        }
    };
    let slow = async move {
        sleep(SECOND * 3).await;
        let initialize = process.hear();
        sleep(SECOND * 3 / 2).await;
        process.say(&initialize["id"], &greeting("2025-11-25"));
        process
    };
    let talk = async { tokio::join!(Connection::open_pipes(stdout, stdin, options()), slow) };
    let (connection, process) = tokio::select! {
        done = talk => done,
        () = steps => unreachable!("the steps go on for ever"),
    };
    assert_eq!(connection.expect("connected").protocol_version(), "2025-11-25");
    let next = process.stdin.lines().next().expect("a message").expect("readable");
    assert!(next.contains("notifications/initialized"), "no server/discover before it: {next}");
}

#[tokio::test]
async fn what_is_no_pipe_is_refused() {
    let (stdout, _, _process) = process();
    let no_pipe = std::fs::File::open("/dev/null").expect("there").into();
    let error = Connection::open_pipes(stdout, no_pipe, options()).await.expect_err("no pipe");
    assert!(matches!(error, ConnectError::Lost { .. }), "{error}");
}
