//! Runs a command in a container for a person.

use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ExecConfig;
use bollard::query_parameters::ResizeExecOptions;
use bytes::BytesMut;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWrite};
use tokio::net::unix::OwnedReadHalf;

use super::endpoint::Docker;
use super::failure::within;
use super::frames::{Channel, Frames};
use super::socket::{self, Hijacked};
use crate::runtime::exec::{Input, Terminal};
use crate::runtime::{Exec, ExecEvent, ExecRequest, RuntimeError, TtySize};

/// How long the engine may take for each step, none of which waits for the command itself.
const STEP_DEADLINE: Duration = Duration::from_secs(10);
/// Keys that an engine takes from a terminal for itself, to leave the command alone. There is no way to have none, and
/// those it has by itself are Control-P, which a shell needs, and Control-Q.
const DETACH_KEYS: &str = r"ctrl-\,ctrl-^,ctrl-\,ctrl-^";
/// How the words begin with which an engine says that a command was not started; they follow in one piece.
const NOT_STARTED: &[u8] = b"OCI runtime exec failed";
/// What is read of a terminal at once.
const READ_BYTES: usize = 16 << 10;
/// How often an engine is asked whether a command has ended whose streams have, and how long it may take to
/// know: it closes the one a moment before it writes down the other.
const ENDED_POLL: Duration = Duration::from_millis(20);
const ENDED_POLLS_MAX: u32 = 100;

/// Runs the command, and returns once the engine has its streams open. The drop of what this gives closes them, which ends
/// what reads its stdin; an engine has no way to end the rest.
pub(super) async fn exec(
    docker: &Docker,
    container_id: &str,
    request: ExecRequest,
) -> Result<Exec, RuntimeError> {
    let program = request.command.first().map_or("", String::as_str);
    let doing = format!("run {program:?} in container {container_id}");
    let ExecRequest { tty, input, .. } = request;
    let created = docker.create_exec(container_id, config(request));
    let id = within(docker, &doing, STEP_DEADLINE, created).await?.id;
    let path = format!("/exec/{id}/start");
    let body = json!({"Detach": false, "Tty": tty.is_some()}).to_string();
    let hijacked = within(docker, &doing, STEP_DEADLINE, socket::hijack(docker, &path, body)).await?;
    let running = Running { docker: docker.clone(), id, doing };
    if let Some(size) = tty {
        // A command that has ended already has no terminal to size.
        let _ = running.resize(size).await;
    }
    Ok(assemble(hijacked, running, tty, input))
}

fn config(request: ExecRequest) -> ExecConfig {
    ExecConfig {
        attach_stdin: Some(request.input == Input::Open),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(request.tty.is_some()),
        // Engines of today take the size here; older ones do not look at it.
        console_size: request.tty.map(|size| vec![size.rows.into(), size.columns.into()]),
        detach_keys: Some(DETACH_KEYS.to_owned()),
        cmd: Some(request.command),
        ..ExecConfig::default()
    }
}

fn assemble(hijacked: Hijacked, running: Running, tty: Option<TtySize>, input: Input) -> Exec {
    let Hijacked { read, write, early } = hijacked;
    let stdin: Box<dyn AsyncWrite + Send + Unpin> = match input {
        Input::Open => Box::new(write),
        Input::Closed => Box::new(tokio::io::sink()),
    };
    let (output, terminal): (_, Box<dyn Terminal>) = if tty.is_some() {
        (Output::terminal(read, &early), Box::new(running.clone()))
    } else {
        (Output::plain(read, &early), Box::new(NoTerminal))
    };
    Exec { stdin, output: output.events(running), terminal }
}

/// A command of the engine.
#[derive(Clone)]
struct Running {
    docker: Docker,
    id: String,
    doing: String,
}

impl Running {
    /// How it ended, once its streams have.
    async fn end(&self) -> ExecEvent {
        for _ in 0..ENDED_POLLS_MAX {
            let asked = self.docker.inspect_exec(&self.id);
            match within(&self.docker, &self.doing, STEP_DEADLINE, asked).await {
                Err(error) => return ExecEvent::Lost(error.to_string()),
                Ok(found) if found.running == Some(false) => {
                    return found.exit_code.map_or_else(
                        || ExecEvent::Lost("the engine does not say how the command ended".to_owned()),
                        ExecEvent::Exited,
                    );
                }
                Ok(_) => tokio::time::sleep(ENDED_POLL).await,
            }
        }
        ExecEvent::Lost("the engine closed the streams of the command, which still runs".to_owned())
    }
}

#[async_trait]
impl Terminal for Running {
    async fn resize(&self, size: TtySize) -> Result<(), RuntimeError> {
        let options = ResizeExecOptions { h: size.rows.into(), w: size.columns.into() };
        let doing = format!("size the terminal of {}", self.doing);
        within(&self.docker, &doing, STEP_DEADLINE, self.docker.resize_exec(&self.id, options)).await
    }
}

struct NoTerminal;

#[async_trait]
impl Terminal for NoTerminal {
    async fn resize(&self, _: TtySize) -> Result<(), RuntimeError> {
        Ok(())
    }
}

/// What comes of a command, still in the engine's form.
struct Output {
    read: OwnedReadHalf,
    form: Form,
    /// Whether something was said already.
    is_begun: bool,
}

enum Form {
    /// As it is.
    Terminal(BytesMut),
    /// In frames.
    Plain(Frames),
}

impl Output {
    fn terminal(read: OwnedReadHalf, early: &[u8]) -> Self {
        Self { read, form: Form::Terminal(BytesMut::from(early)), is_begun: false }
    }

    fn plain(read: OwnedReadHalf, early: &[u8]) -> Self {
        Self { read, form: Form::Plain(Frames::new(early)), is_begun: false }
    }

    fn events(self, running: Running) -> BoxStream<'static, ExecEvent> {
        let pieces = stream::unfold(self, |mut output| async move {
            let event = output.next().await?;
            Some((event, output))
        });
        let end = stream::once(async move { running.end().await });
        // What is lost has no second end.
        pieces
            .chain(end)
            .scan(false, |over, event| {
                let shown = !std::mem::replace(over, is_end(&event));
                std::future::ready(shown.then_some(event))
            })
            .boxed()
    }

    /// The next piece; `None` when the engine has closed the streams.
    async fn next(&mut self) -> Option<ExecEvent> {
        loop {
            match self.taken() {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(lost) => return Some(lost),
            }
            let room = match &mut self.form {
                Form::Terminal(buffer) => {
                    buffer.reserve(READ_BYTES);
                    buffer
                }
                Form::Plain(frames) => frames.room(),
            };
            match self.read.read_buf(room).await {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => {
                    return Some(ExecEvent::Lost(format!("the engine's connection broke: {error}")));
                }
            }
        }
    }

    /// A piece that was read already. An engine that cannot start the command says so where the command would speak, and
    /// on stdout; for a person that is no data.
    fn taken(&mut self) -> Result<Option<ExecEvent>, ExecEvent> {
        match &mut self.form {
            Form::Terminal(buffer) => {
                Ok((!buffer.is_empty()).then(|| ExecEvent::Stdout(buffer.split().freeze())))
            }
            Form::Plain(frames) => match frames.next() {
                Ok(Some((channel, piece))) => {
                    let is_first = !std::mem::replace(&mut self.is_begun, true);
                    let is_engine = is_first && piece.starts_with(NOT_STARTED);
                    let is_stdout = channel == Channel::Stdout && !is_engine;
                    Ok(Some(if is_stdout { ExecEvent::Stdout(piece) } else { ExecEvent::Stderr(piece) }))
                }
                Ok(None) => Ok(None),
                Err(error) => Err(ExecEvent::Lost(error.to_string())),
            },
        }
    }
}

fn is_end(event: &ExecEvent) -> bool {
    matches!(event, ExecEvent::Exited(_) | ExecEvent::Lost(_))
}

#[cfg(test)]
#[path = "exec_tests.rs"]
mod tests;
