//! A command that a person runs beside a server.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::io::AsyncWrite;

use super::RuntimeError;

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRequest {
    /// The program and its arguments; not empty.
    pub command: Vec<String>,
    /// A terminal of this size; none where left out.
    pub tty: Option<TtySize>,
    /// Whether it reads what the caller sends.
    pub input: Input,
}

/// Whether a command has a stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Input {
    /// Its stdin is empty.
    #[default]
    Closed,
    /// Its stdin is what the caller sends.
    Open,
}

/// A terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TtySize {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// A command that runs. Dropping it closes its streams.
pub struct Exec {
    /// Its stdin. Shutting it down or dropping it closes it.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it says, and last how it ended.
    pub output: BoxStream<'static, ExecEvent>,
    /// Its terminal, where it has one.
    pub terminal: Box<dyn Terminal>,
}

/// What a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEvent {
    /// On its stdout; all of it, where it has a terminal.
    Stdout(Bytes),
    /// On its stderr.
    Stderr(Bytes),
    /// It ended with this code, and nothing follows.
    Exited(i64),
    /// It was lost sight of, and nothing follows; why, in the engine's words.
    Lost(String),
}

/// The terminal of a command.
#[async_trait]
pub trait Terminal: Send + Sync {
    /// Tells the command that its terminal has another size; one without a terminal is told nothing.
    async fn resize(&self, size: TtySize) -> Result<(), RuntimeError>;
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exec").finish_non_exhaustive()
    }
}
