//! The conversation with a command: what is typed goes there, what it says is shown here.

use std::convert::Infallible;
use std::io::{self, Read as _};
use std::thread;

use mcpd_api::exec::{ExecEnd, Frame, Frames};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::terminal::{self, Raw};
use crate::trouble::{Done, Trouble};

/// What is read at once, of stdin and of the daemon.
const READ_BYTES: usize = 16 << 10;
/// Pieces of stdin that wait for the daemon: one is sent while the next is read.
const PIECES_MAX: usize = 2;
/// What shells add to the number of a signal that ended a program.
const SIGNALLED: i64 = 128;

/// How keys reach the command.
pub(super) enum Keys {
    /// Line by line; those that end this program end it.
    Cooked,
    /// Each as it is, to the command's terminal.
    Raw(Raw),
}

/// Carries both ways until the command has ended. The terminal is as it was when this returns.
pub(super) async fn converse(
    connection: impl AsyncRead + AsyncWrite,
    base: &str,
    sends: bool,
    keys: Keys,
) -> Done<ExecEnd> {
    let (reader, writer) = tokio::io::split(connection);
    let stdin = sends.then(read_stdin);
    match keys {
        Keys::Cooked => {
            tokio::select! {
                ended = listen(reader, base) => ended,
                never = speak(writer, stdin, None) => match never {},
            }
        }
        Keys::Raw(_raw) => {
            let watch = |kind| signal(kind).map_err(Trouble::io("watching for signals"));
            let resized = watch(SignalKind::window_change())?;
            let (mut terminate, mut hang_up) =
                (watch(SignalKind::terminate())?, watch(SignalKind::hangup())?);
            let signalled =
                |kind: SignalKind| Ok(ExecEnd::ExitCode(SIGNALLED + i64::from(kind.as_raw_value())));
            tokio::select! {
                ended = listen(reader, base) => ended,
                never = speak(writer, stdin, Some(resized)) => match never {},
                _ = terminate.recv() => signalled(SignalKind::terminate()),
                _ = hang_up.recv() => signalled(SignalKind::hangup()),
            }
        }
    }
}

/// Reads stdin in a thread of its own, which a read that never returns keeps from nothing: it ends with this program.
fn read_stdin() -> mpsc::Receiver<Vec<u8>> {
    let (pieces, receiver) = mpsc::channel(PIECES_MAX);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut chunk = vec![0; READ_BYTES];
        while let Ok(count @ 1..) = stdin.read(&mut chunk) {
            if pieces.blocking_send(chunk[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Shows what the command says, until its end.
async fn listen(mut reader: impl AsyncRead + Unpin, base: &str) -> Done<ExecEnd> {
    let mut frames = Frames::default();
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let broken = |cause: String| Trouble::Unreachable { url: base.to_owned(), cause };
        let count = reader.read(&mut chunk).await.map_err(|error| broken(error.to_string()))?;
        if count == 0 {
            return Err(broken("the connection ended before the command".to_owned()));
        }
        frames.push(&chunk[..count]);
        while let Some(frame) = frames.next_frame().map_err(|error| Trouble::BadAnswer(error.to_string()))? {
            if let Some(end) = show(frame)? {
                return Ok(end);
            }
        }
    }
}

fn show(frame: Frame) -> Done<Option<ExecEnd>> {
    match frame {
        Frame::Stdout(data) => write(&mut io::stdout().lock(), &data, "writing to stdout")?,
        Frame::Stderr(data) => write(&mut io::stderr().lock(), &data, "writing to stderr")?,
        Frame::End(end) => return Ok(Some(end)),
        // What only clients send means nothing from a daemon.
        Frame::Stdin(_) | Frame::Resize(_) | Frame::StdinClosed => {}
    }
    Ok(None)
}

fn write(out: &mut impl io::Write, data: &[u8], doing: &str) -> Done {
    out.write_all(data).and_then(|()| out.flush()).map_err(Trouble::io(doing))
}

/// Sends what is typed and each new size of the terminal. Where nothing can be sent any more, what is still said is
/// worth waiting for.
async fn speak(
    mut writer: impl AsyncWrite + Unpin,
    mut stdin: Option<mpsc::Receiver<Vec<u8>>>,
    mut resized: Option<Signal>,
) -> Infallible {
    loop {
        let frame = tokio::select! {
            frame = next_piece(&mut stdin) => frame,
            () = next_size(&mut resized) => Frame::Resize(terminal::size()),
        };
        let mut bytes = Vec::new();
        frame.write_to(&mut bytes);
        let sent = async { writer.write_all(&bytes).await.and(writer.flush().await) };
        if sent.await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// What was typed, and once the word that nothing more comes.
async fn next_piece(stdin: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Frame {
    let Some(pieces) = stdin else { return std::future::pending().await };
    if let Some(data) = pieces.recv().await {
        return Frame::Stdin(data);
    }
    *stdin = None;
    Frame::StdinClosed
}

async fn next_size(resized: &mut Option<Signal>) {
    if let Some(resized) = resized
        && resized.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}
