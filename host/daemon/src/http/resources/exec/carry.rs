//! Carries the streams of a command over its client's connection, until one of both has ended.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use mcpd_api::exec::{ExecEnd, Frame, FrameError, Frames, TerminalSize};
use tokio::io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::runtime::exec::Terminal;
use crate::runtime::{Exec, ExecEvent, TtySize};

/// What is read of the client at once.
const READ_BYTES: usize = 16 << 10;
/// After so long without a word one is sent, which a client that is gone cannot take: its command would hold its place
/// for ever where it says nothing and does not read.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// For a client to take one frame: a person may leave a pager open over lunch, and a client that never reads must not keep
/// its place for ever.
const TAKEN_WITHIN_MAX: Duration = Duration::from_hours(1);
/// For a client to take the frame that is under way and the last one, where a command is cut short: within the 5 s that
/// mcpd waits for its connections when it ends.
const FAREWELL_MAX: Duration = Duration::from_secs(3);
/// The words for a runtime that breaks its promise.
const UNSAID: &str = "the command's streams ended without a word of its end";

/// Carries both ways. What the client sends waits where the command does not read, and holds up nothing of what the
/// command says. The command's streams are closed when this returns.
pub(super) async fn carry(connection: impl AsyncRead + AsyncWrite, run: Exec, end: CancellationToken) {
    let (reader, mut writer) = io::split(connection);
    let Exec { stdin, output, terminal } = run;
    let input = Input { reader, frames: Frames::default(), stdin, terminal };
    let (cut, is_cut) = oneshot::channel();
    let mut said = pin!(carry_out(output, &mut writer, is_cut));
    let reason = tokio::select! {
        told = &mut said => return note(told),
        refused = input.carry_in() => refused,
        () = end.cancelled() => Ok(ExecEnd::Error("mcpd ends".to_owned())),
    };
    match reason {
        Ok(reason) => {
            // It reads this while it carries, and it does so below.
            drop(cut.send(reason));
            note(timeout(FAREWELL_MAX, said).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())));
        }
        Err(gone) => note(Err(gone)),
    }
}

fn note(told: io::Result<()>) {
    if let Err(error) = told {
        tracing::debug!(%error, "the client of a command went away");
    }
}

/// Carries what the command says, and then how it ended or why it is `cut` short. Each frame is finished before the next
/// begins, the last one too: a part of one would make nonsense of all that follows.
async fn carry_out(
    mut output: BoxStream<'static, ExecEvent>,
    writer: &mut (impl AsyncWrite + Unpin),
    mut cut: oneshot::Receiver<ExecEnd>,
) -> io::Result<()> {
    loop {
        let frame = tokio::select! {
            biased;
            Ok(reason) = &mut cut => Frame::End(reason),
            frame = next_frame(&mut output) => frame,
        };
        let is_last = matches!(frame, Frame::End(_));
        tell(writer, frame).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// What the command says next. A silence is broken by a frame of nothing.
async fn next_frame(output: &mut BoxStream<'static, ExecEvent>) -> Frame {
    match timeout(SILENCE_MAX, output.next()).await {
        Ok(Some(ExecEvent::Stdout(piece))) => Frame::Stdout(piece.into()),
        Ok(Some(ExecEvent::Stderr(piece))) => Frame::Stderr(piece.into()),
        Ok(Some(ExecEvent::Exited(code))) => Frame::End(ExecEnd::ExitCode(code)),
        Ok(Some(ExecEvent::Lost(words))) => Frame::End(ExecEnd::Error(words)),
        Ok(None) => Frame::End(ExecEnd::Error(UNSAID.to_owned())),
        Err(_) => Frame::Stdout(Vec::new()),
    }
}

async fn tell(writer: &mut (impl AsyncWrite + Unpin), frame: Frame) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame.write_to(&mut bytes);
    let told = async {
        writer.write_all(&bytes).await?;
        writer.flush().await
    };
    timeout(TAKEN_WITHIN_MAX, told).await?
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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::stream;
    use tokio::io::{DuplexStream, duplex};
    use tokio::task::{JoinSet, yield_now};

    use super::*;
    use crate::runtime::RuntimeError;

    /// Less than a frame, so that each waits for its client in the middle.
    const PIPE_BYTES: usize = 8;

    struct NoTerminal;

    #[async_trait]
    impl Terminal for NoTerminal {
        async fn resize(&self, _: TtySize) -> Result<(), RuntimeError> {
            Ok(())
        }
    }

    /// A command that says one thing and goes on, with a client that has taken the first byte of it.
    async fn in_the_middle_of_a_frame(end: &CancellationToken) -> (DuplexStream, JoinSet<()>) {
        let (mut client, connection) = duplex(PIPE_BYTES);
        let said = stream::iter([ExecEvent::Stdout("a long word".into())]).chain(stream::pending());
        let exec = Exec { stdin: Box::new(io::sink()), output: said.boxed(), terminal: Box::new(NoTerminal) };
        let mut carried = JoinSet::new();
        carried.spawn(carry(connection, exec, end.clone()));
        assert_eq!(client.read_u8().await.unwrap(), 1, "the channel of stdout");
        (client, carried)
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_of_mcpd_in_the_middle_of_a_frame_is_told_after_it() {
        let end = CancellationToken::new();
        let (mut client, _carried) = in_the_middle_of_a_frame(&end).await;
        end.cancel();
        yield_now().await;
        let mut bytes = vec![1];
        client.read_to_end(&mut bytes).await.unwrap();
        let mut frames = Frames::default();
        frames.push(&bytes);
        assert_eq!(frames.next_frame(), Ok(Some(Frame::Stdout(b"a long word".to_vec()))));
        assert_eq!(frames.next_frame(), Ok(Some(Frame::End(ExecEnd::Error("mcpd ends".to_owned())))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_nonsense_and_reads_nothing_is_let_go_of() {
        let (mut client, mut carried) = in_the_middle_of_a_frame(&CancellationToken::new()).await;
        client.write_all(b"GET /").await.unwrap();
        timeout(2 * FAREWELL_MAX, carried.join_next()).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_only_reads_nothing_is_let_go_of_in_the_end() {
        let (_client, mut carried) = in_the_middle_of_a_frame(&CancellationToken::new()).await;
        timeout(2 * TAKEN_WITHIN_MAX, carried.join_next()).await.unwrap().unwrap().unwrap();
    }
}
