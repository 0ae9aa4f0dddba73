//! Commands of people: refused in words before the connection is taken, and carried over it then.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::http::StatusCode;
use futures::StreamExt as _;
use mcpd_api::exec::{ExecEnd, Frame, Frames, TerminalSize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::fixture::Fixture;
use super::serving::{head, served};
use crate::http::engine::NotExecuted;
use crate::http::views::tests::running;
use crate::runtime::exec::Terminal;
use crate::runtime::{Exec, ExecEvent, RuntimeError, TtySize};

const PATH: &str = "/api/v1/instances/i1/exec";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: mcpd-exec/1\r\n";

/// The other end of a command that the API carries.
struct Command {
    stdin: DuplexStream,
    says: mpsc::Sender<ExecEvent>,
    sizes: Arc<Mutex<Vec<TtySize>>>,
}

struct Sizes(Arc<Mutex<Vec<TtySize>>>);

#[async_trait]
impl Terminal for Sizes {
    async fn resize(&self, size: TtySize) -> Result<(), RuntimeError> {
        self.0.lock().unwrap().push(size);
        Ok(())
    }
}

fn command() -> (Exec, Command) {
    let (theirs, stdin) = tokio::io::duplex(64);
    let (says, output) = mpsc::channel(8);
    let sizes = Arc::<Mutex<Vec<TtySize>>>::default();
    let exec = Exec {
        stdin: Box::new(theirs),
        output: ReceiverStream::new(output).boxed(),
        terminal: Box::new(Sizes(Arc::clone(&sizes))),
    };
    (exec, Command { stdin, says, sizes })
}

fn with(run: Result<Exec, NotExecuted>) -> Fixture {
    let fixture = Fixture::new();
    fixture.put(running("i1"));
    fixture.engine.runs.lock().unwrap().push_back(run);
    fixture
}

/// A connection that was upgraded, as the client sees it.
struct Client {
    stream: TcpStream,
    frames: Frames,
}

impl Client {
    /// Asks for a command, and gives the connection once it is ours.
    async fn open(fixture: &Fixture, body: &str) -> Self {
        let (mut stream, _serving) = served(fixture).await;
        let more = format!("{UPGRADE}Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        stream.write_all((head("POST", PATH, &more) + body).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        assert!(answer.contains("upgrade: mcpd-exec/1\r\n"), "{answer}");
        Self { stream, frames: Frames::default() }
    }

    async fn send(&mut self, frame: Frame) {
        let mut bytes = Vec::new();
        frame.write_to(&mut bytes);
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next frame; `None` when the connection has ended.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.next_frame().unwrap() {
                return Some(frame);
            }
            let mut chunk = [0; 1024];
            match self.stream.read(&mut chunk).await.unwrap() {
                0 => return None,
                count => self.frames.push(&chunk[..count]),
            }
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_before_the_connection_is_taken() {
    let fixture = Fixture::new();
    fixture.put(running("i1"));
    let mut words = Vec::new();
    for (path, body) in [
        ("/api/v1/instances/none/exec", r#"{"command":["sh"]}"#),
        (PATH, r#"{"command":[]}"#),
        (PATH, r#"{"command":["","a\u0000b"],"tty":{"columns":0,"rows":1}}"#),
        (PATH, r#"{"command":["sh"],"user":"root"}"#),
        (PATH, r#"{"command":["sh"]}"#),
    ] {
        words.push(fixture.ask("POST", path, body).await.words());
    }
    insta::assert_snapshot!(words.join("\n"), @r"
    404 instance_not_found: there is no instance none
    422 invalid_request: the command has mistakes
      command: must name a program
    422 invalid_request: the command has mistakes
      command[0]: must not be empty
      command[1]: must not hold a NUL
      tty: must have a column and a row at least
    400 malformed: the body could not be read: unknown field `user`, expected one of `command`, `tty`, `stdin` at line 1 column 24
    426 upgrade_required: a command needs a connection that is upgraded to mcpd-exec/1
    ");
    assert!(fixture.engine.take_told().is_empty());
}

#[tokio::test]
async fn each_reason_not_to_run_a_command_has_its_status_and_words() {
    let not_running = NotExecuted::NotRunning { instance: "i1".into(), status: "ERROR" };
    let no_container = RuntimeError::NoExec { instance: "i1".into() };
    let away = RuntimeError::EngineAway { endpoint: "unix:///e".to_owned(), reason: "gone".to_owned() };
    let refused =
        RuntimeError::EngineRefused { doing: "run \"sh\"".to_owned(), reason: "no such file".to_owned() };
    let mut words = Vec::new();
    for refusal in [not_running, no_container.into(), away.into(), refused.into()] {
        let fixture = with(Err(refusal));
        let (mut stream, _serving) = served(&fixture).await;
        let body = r#"{"command":["sh"]}"#;
        let more = format!("{UPGRADE}Content-Length: {}\r\n", body.len());
        stream.write_all((head("POST", PATH, &more) + body).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            answer.push(stream.read_u8().await.unwrap());
        }
        let answer = String::from_utf8(answer).unwrap();
        let (status, rest) = answer.split_once("\r\n").unwrap();
        let problem: serde_json::Value =
            serde_json::from_str(rest.split_once("\r\n\r\n").unwrap().1).unwrap();
        words.push(format!("{status} {}: {}", problem["code"], problem["detail"]));
    }
    insta::assert_snapshot!(words.join("\n"), @r#"
    HTTP/1.1 409 Conflict "instance_not_running": "instance i1 is ERROR, and a command runs in a RUNNING one only"
    HTTP/1.1 409 Conflict "not_in_a_container": "cannot run a command in instance i1: it is not in a container"
    HTTP/1.1 503 Service Unavailable "unavailable": "the container engine at unix:///e does not answer: gone"
    HTTP/1.1 409 Conflict "command_not_started": "cannot run \"sh\": no such file"
    "#);
}

#[tokio::test]
async fn both_directions_are_carried_until_the_command_ends() {
    let (exec, mut command) = command();
    let fixture = with(Ok(exec));
    let body = r#"{"command":["sh","-c","x"],"tty":{"columns":80,"rows":24},"stdin":true}"#;
    let mut client = Client::open(&fixture, body).await;
    client.send(Frame::Resize(TerminalSize { columns: 132, rows: 50 })).await;
    client.send(Frame::Stdin(b"in".to_vec())).await;
    client.send(Frame::StdinClosed).await;
    let mut read = String::new();
    command.stdin.read_to_string(&mut read).await.unwrap();
    assert_eq!(read, "in");
    assert_eq!(*command.sizes.lock().unwrap(), [TtySize { columns: 132, rows: 50 }]);
    for event in [ExecEvent::Stdout("out".into()), ExecEvent::Stderr("err".into()), ExecEvent::Exited(7)] {
        command.says.send(event).await.unwrap();
    }
    assert_eq!(client.next().await, Some(Frame::Stdout(b"out".to_vec())));
    assert_eq!(client.next().await, Some(Frame::Stderr(b"err".to_vec())));
    assert_eq!(client.next().await, Some(Frame::End(ExecEnd::ExitCode(7))));
    assert_eq!(client.next().await, None);
    let told = fixture.engine.take_told();
    assert_eq!(
        told,
        [
            r#"exec i1 ExecRequest { command: ["sh", "-c", "x"], tty: Some(TtySize { columns: 80, rows: 24 }), input: Open }"#
        ]
    );
}

#[tokio::test]
async fn a_command_that_does_not_read_holds_up_nothing_of_what_it_says() {
    let (exec, command) = command();
    let fixture = with(Ok(exec));
    let mut client = Client::open(&fixture, r#"{"command":["sh"],"stdin":true}"#).await;
    client.send(Frame::Stdin(vec![b'x'; 60_000])).await;
    command.says.send(ExecEvent::Stdout("out".into())).await.unwrap();
    command.says.send(ExecEvent::Lost("gone".to_owned())).await.unwrap();
    assert_eq!(client.next().await, Some(Frame::Stdout(b"out".to_vec())));
    assert_eq!(client.next().await, Some(Frame::End(ExecEnd::Error("gone".to_owned()))));
}

#[tokio::test]
async fn a_client_that_goes_away_closes_the_streams_of_its_command() {
    let (exec, mut command) = command();
    let fixture = with(Ok(exec));
    let client = Client::open(&fixture, r#"{"command":["sh"],"stdin":true}"#).await;
    drop(client);
    assert_eq!(command.stdin.read(&mut [0; 8]).await.unwrap(), 0);
    command.says.closed().await;
}

#[tokio::test]
async fn garbage_of_a_client_ends_its_command() {
    let (exec, command) = command();
    let fixture = with(Ok(exec));
    let mut client = Client::open(&fixture, r#"{"command":["sh"]}"#).await;
    client.stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let Some(Frame::End(ExecEnd::Error(words))) = client.next().await else { panic!("an end") };
    assert_eq!(words, "the client sent what is no frame: there is no channel 71");
    command.says.closed().await;
}

#[tokio::test(start_paused = true)]
async fn a_silence_is_broken_so_that_a_client_that_is_gone_is_noticed() {
    let (exec, command) = command();
    let fixture = with(Ok(exec));
    let mut client = Client::open(&fixture, r#"{"command":["sh"],"stdin":true}"#).await;
    assert_eq!(client.next().await, Some(Frame::Stdout(Vec::new())));
    // More than the command takes, so that nobody reads that the client ends.
    client.send(Frame::Stdin(vec![b'x'; 60_000])).await;
    drop(client);
    command.says.closed().await;
}

#[tokio::test]
async fn commands_end_with_mcpd_which_waits_for_that() {
    let (exec, command) = command();
    let fixture = with(Ok(exec));
    let mut client = Client::open(&fixture, r#"{"command":["sh"]}"#).await;
    fixture.api.end.cancel();
    assert_eq!(client.next().await, Some(Frame::End(ExecEnd::Error("mcpd ends".to_owned()))));
    assert_eq!(client.next().await, None);
    command.says.closed().await;
}

#[tokio::test]
async fn an_upgrade_to_something_else_is_refused() {
    let fixture = Fixture::new();
    fixture.put(running("i1"));
    let mut request = Fixture::request("POST", PATH, r#"{"command":["sh"]}"#);
    request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    let reply = fixture.reply(request).await;
    assert_eq!(reply.status, StatusCode::UPGRADE_REQUIRED);
    assert_eq!(reply.headers["upgrade"], "mcpd-exec/1");
}
