//! Carries the streams of a command over its client's connection, until one of both has ended.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use mcpd_api::exec::{ExecEnd, Frame, FrameError, Frames, TerminalSize};
use tokio::io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::runtime::exec::Terminal;
use crate::runtime::{Exec, ExecEvent, TtySize};

/// What is read of the client at once.
const READ_BYTES: usize = 16 << 10;
/// After so long without a word one is sent, which a client that is gone cannot take: its command would hold its place
/// for ever where it says nothing and does not read.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The words for a runtime that breaks its promise.
const UNSAID: &str = "the command's streams ended without a word of its end";

/// Carries both ways. What the client sends waits where the command does not read, and holds up nothing of what the
/// command says. The command's streams are closed when this returns.
pub(super) async fn carry(connection: impl AsyncRead + AsyncWrite, run: Exec, end: CancellationToken) {
    let (reader, mut writer) = io::split(connection);
    let Exec { stdin, output, terminal } = run;
    let input = Input { reader, frames: Frames::default(), stdin, terminal };
    let outcome = tokio::select! {
        carried = carry_out(output, &mut writer) => carried,
        refused = input.carry_in() => refused,
        () = end.cancelled() => Ok(ExecEnd::Error("mcpd ends".to_owned())),
    };
    let told = match outcome {
        Ok(end) => tell(&mut writer, Frame::End(end)).await,
        Err(gone) => Err(gone),
    };
    if let Err(error) = told {
        tracing::debug!(%error, "the client of a command went away");
    }
}

/// Carries what the command says, and gives how it ended. A silence is broken by a frame of nothing.
async fn carry_out(
    mut output: BoxStream<'static, ExecEvent>,
    writer: &mut (impl AsyncWrite + Unpin),
) -> io::Result<ExecEnd> {
    loop {
        let frame = match timeout(SILENCE_MAX, output.next()).await {
            Ok(Some(ExecEvent::Stdout(piece))) => Frame::Stdout(piece.into()),
            Ok(Some(ExecEvent::Stderr(piece))) => Frame::Stderr(piece.into()),
            Ok(Some(ExecEvent::Exited(code))) => return Ok(ExecEnd::ExitCode(code)),
            Ok(Some(ExecEvent::Lost(words))) => return Ok(ExecEnd::Error(words)),
            Ok(None) => return Ok(ExecEnd::Error(UNSAID.to_owned())),
            Err(_) => Frame::Stdout(Vec::new()),
        };
        tell(writer, frame).await?;
    }
}

async fn tell(writer: &mut (impl AsyncWrite + Unpin), frame: Frame) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame.write_to(&mut bytes);
    writer.write_all(&bytes).await?;
    writer.flush().await
}

/// What comes from the client.
struct Input<R> {
    reader: R,
    frames: Frames,
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    terminal: Box<dyn Terminal>,
}

impl<R: AsyncRead + Unpin> Input<R> {
    /// Carries until the client is gone, or sends what is no frame, which ends the whole.
    async fn carry_in(mut self) -> io::Result<ExecEnd> {
        let mut chunk = vec![0; READ_BYTES];
        loop {
            let count = self.reader.read(&mut chunk).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.frames.push(&chunk[..count]);
            if let Err(error) = self.take_frames().await {
                return Ok(ExecEnd::Error(format!("the client sent what is no frame: {error}")));
            }
        }
    }

    async fn take_frames(&mut self) -> Result<(), FrameError> {
        while let Some(frame) = self.frames.next_frame()? {
            match frame {
                // A command that closed its stdin goes on all the same, and so does what it says.
                Frame::Stdin(data) => drop(self.stdin.write_all(&data).await),
                Frame::StdinClosed => drop(self.stdin.shutdown().await),
                Frame::Resize(size) => resize(&*self.terminal, size).await,
                // What only the daemon sends means nothing from a client.
                Frame::Stdout(_) | Frame::Stderr(_) | Frame::End(_) => {}
            }
        }
        Ok(())
    }
}

async fn resize(terminal: &dyn Terminal, size: TerminalSize) {
    let size = TtySize { columns: size.columns, rows: size.rows };
    if let Err(error) = terminal.resize(size).await {
        tracing::debug!(%error, "a terminal kept its size");
    }
}
