//! The streams of a container: its stdin and stdout for the one connection, its stderr into the log.
//!
//! An engine sends stdout and stderr in one stream, so one waits where the other is not read. stdout waits for its
//! reader in a queue of a few frames and then in the engine, stderr with it. Where nobody reads for
//! [`STALL_DEADLINE`] the attachment ends: a server whose connection stands still is attached to anew rather
//! than stopped by a full pipe for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::StreamReader;
use tokio_util::sync::CancellationToken;

use super::endpoint::Docker;
use super::failure::within;
use super::frames::{BadFrame, Channel, Frames};
use super::socket::{self, Hijacked};
use crate::runtime::RuntimeError;
use crate::runtime::lines::Lines;
use crate::runtime::log::{LogBook, LogStream};

/// How long the engine may take to attach, which needs no disk and no network.
const ATTACH_DEADLINE: Duration = Duration::from_secs(10);
/// Pieces of stdout that wait for their reader. With 32 KiB at most behind each, a connection that is slow costs
/// 2 MiB.
const PIECES_MAX: usize = 64;
/// How long stdout may wait for its reader, which does nothing but read.
pub(super) const STALL_DEADLINE: Duration = Duration::from_secs(30);

/// What an attachment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// A server over stdio: stdin and stdout for its connection, stderr into the log.
    Stdio,
    /// A server over HTTP: all that it writes goes into the log.
    LogsOnly,
}

/// The streams of an attached container. Dropping them ends its connection and not its log, which has more to say until the
/// container has ended; cancelling `ended` detaches.
pub(super) struct Attached {
    /// Its stdin; leads nowhere where only logs were asked for.
    pub(super) stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its stdout; empty where only logs were asked for.
    pub(super) stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// Cancelled when the attachment has ended, and all of stderr is in the log.
    pub(super) ended: CancellationToken,
}

/// Attaches to a container, running or not yet started. Nothing that it wrote before is repeated.
pub(super) async fn attach(
    docker: &Docker,
    container_id: &str,
    book: Arc<LogBook>,
    over: Over,
) -> Result<Attached, RuntimeError> {
    let stdin = over == Over::Stdio;
    let path =
        format!("/containers/{container_id}/attach?stream=1&stdin={}&stdout=1&stderr=1", u8::from(stdin));
    let doing = format!("attach to container {container_id}");
    let hijacked =
        within(docker, &doing, ATTACH_DEADLINE, socket::hijack(docker, &path, String::new())).await?;
    Ok(match over {
        Over::Stdio => stdio(hijacked, book),
        Over::LogsOnly => logs_only(hijacked, book),
    })
}

fn stdio(hijacked: Hijacked, book: Arc<LogBook>) -> Attached {
    let (pieces, stdout) = mpsc::channel(PIECES_MAX);
    let ended = pump(hijacked.read, &hijacked.early, Out::Reader(pieces), book);
    let stdout = StreamReader::new(ReceiverStream::new(stdout).map(Ok::<Bytes, io::Error>));
    Attached { stdin: Box::new(Stdin(Some(hijacked.write))), stdout: Box::new(stdout), ended }
}

fn logs_only(hijacked: Hijacked, book: Arc<LogBook>) -> Attached {
    let ended = pump(hijacked.read, &hijacked.early, Out::Log(Lines::default()), book);
    Attached { stdin: Box::new(tokio::io::sink()), stdout: Box::new(tokio::io::empty()), ended }
}

/// Carries what the engine sends to where it belongs, in a task that ends with the attachment.
fn pump(read: OwnedReadHalf, early: &[u8], out: Out, book: Arc<LogBook>) -> CancellationToken {
    let ended = CancellationToken::new();
    let detached = ended.clone();
    let pump = Pump { read, frames: Frames::new(early), out, stderr: Lines::default(), book };
    #[expect(clippy::disallowed_methods, reason = "it ends with the attachment, which its reader holds")]
    tokio::spawn(async move {
        let mut pump = pump;
        tokio::select! {
            end = pump.run() => tracing::debug!(reason = end.to_string(), "an attachment ended"),
            () = detached.cancelled() => {}
        }
        pump.finish();
        detached.cancel();
    });
    ended
}

/// Where stdout goes.
enum Out {
    Reader(mpsc::Sender<Bytes>),
    Log(Lines),
    /// Its reader is gone.
    Nowhere,
}

/// Why an attachment ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the engine ended it")]
    Engine,
    #[error("nobody read its stdout for {} s", STALL_DEADLINE.as_secs())]
    Stalled,
    #[error("the engine's connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    BadFrame(#[from] BadFrame),
}

struct Pump {
    read: OwnedReadHalf,
    frames: Frames,
    out: Out,
    stderr: Lines,
    book: Arc<LogBook>,
}

impl Pump {
    async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.step().await {
                return end;
            }
        }
    }

    /// Carries all that was read, then reads once.
    async fn step(&mut self) -> Result<(), End> {
        while let Some((channel, piece)) = self.frames.next()? {
            match channel {
                Channel::Stderr => self.stderr.push_into(&self.book, LogStream::Stderr, &piece),
                Channel::Stdout => self.take_stdout(piece).await?,
            }
        }
        let count = self.read.read_buf(self.frames.room()).await?;
        if count == 0 { Err(End::Engine) } else { Ok(()) }
    }

    async fn take_stdout(&mut self, piece: Bytes) -> Result<(), End> {
        match &mut self.out {
            Out::Reader(pieces) => {
                if hand_over(pieces, piece).await? == Held::Dropped {
                    self.out = Out::Nowhere;
                }
            }
            Out::Log(lines) => lines.push_into(&self.book, LogStream::Stdout, &piece),
            Out::Nowhere => {}
        }
        Ok(())
    }

    /// A last line may lack its newline.
    fn finish(&mut self) {
        self.stderr.finish_into(&self.book, LogStream::Stderr);
        if let Out::Log(lines) = &mut self.out {
            lines.finish_into(&self.book, LogStream::Stdout);
        }
    }
}

/// Whether somebody holds the reader of stdout.
#[derive(PartialEq, Eq)]
enum Held {
    Still,
    Dropped,
}

async fn hand_over(pieces: &mpsc::Sender<Bytes>, piece: Bytes) -> Result<Held, End> {
    match pieces.try_send(piece) {
        Ok(()) => Ok(Held::Still),
        Err(TrySendError::Closed(_)) => Ok(Held::Dropped),
        Err(TrySendError::Full(piece)) => match timeout(STALL_DEADLINE, pieces.send(piece)).await {
            Ok(sent) => Ok(if sent.is_ok() { Held::Still } else { Held::Dropped }),
            Err(_) => Err(End::Stalled),
        },
    }
}

/// The stdin of a container, which no client can close: to an engine the word that nothing more comes means that it is
/// to detach, and the log would have no end.
struct Stdin(Option<OwnedWriteHalf>);

impl AsyncWrite for Stdin {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(write) => Pin::new(write).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket holds nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.let_go();
        Poll::Ready(Ok(()))
    }
}

impl Stdin {
    /// Writes no more, and leaves the connection open for as long as it is read.
    fn let_go(&mut self) {
        if let Some(write) = self.0.take() {
            write.forget();
        }
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
