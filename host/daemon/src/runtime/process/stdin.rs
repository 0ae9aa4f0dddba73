//! The server's stdin: written by its connection, and closed by whoever has to ask the server to end.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::AsyncWrite;
use tokio::net::unix::pipe;

/// The connection's end. Dropping it closes the pipe.
pub(super) struct Stdin(Valve);

/// Closes the pipe from outside: a stop does not have to wait for the connection (behaviour 5.5).
#[derive(Clone, Default)]
pub(super) struct Valve(Arc<Mutex<Pipe>>);

#[derive(Default)]
struct Pipe {
    sender: Option<pipe::Sender>,
    writer: Option<Waker>,
    is_closed: bool,
}

impl Stdin {
    fn poll<T>(
        &self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut pipe::Sender>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut pipe = self.0.lock();
        let Some(sender) = &mut pipe.sender else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let outcome = write(Pin::new(sender), context);
        if outcome.is_pending() {
            pipe.writer = Some(context.waker().clone());
        }
        outcome
    }
}

impl Valve {
    /// Puts the pipe behind the valve; where it was closed before, the pipe is closed at once.
    pub(super) fn connect(&self, sender: pipe::Sender) -> Stdin {
        let mut pipe = self.lock();
        pipe.sender = (!pipe.is_closed).then_some(sender);
        Stdin(self.clone())
    }

    /// Closes the pipe; a write that waits ends with a broken pipe.
    pub(super) fn close(&self) {
        let mut pipe = self.lock();
        pipe.sender = None;
        pipe.is_closed = true;
        if let Some(writer) = pipe.writer.take() {
            writer.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pipe> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stdin {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl AsyncWrite for Stdin {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(context, |sender, context| sender.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(context, |sender, context| sender.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.close();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn pipe() -> (Stdin, pipe::Receiver) {
        let (sender, receiver) = pipe::pipe().unwrap();
        (Valve::default().connect(sender), receiver)
    }

    #[tokio::test]
    async fn the_server_sees_the_end_when_the_connection_drops_it() {
        let (mut stdin, mut receiver) = pipe();
        stdin.write_all(b"hello").await.unwrap();
        drop(stdin);
        let mut text = String::new();
        receiver.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
    }

    #[tokio::test]
    async fn a_valve_that_is_closed_early_stays_closed() {
        let valve = Valve::default();
        valve.close();
        let (sender, mut receiver) = pipe::pipe().unwrap();
        let mut stdin = valve.connect(sender);
        assert!(stdin.write_all(b"hello").await.is_err());
        assert_eq!(receiver.read(&mut [0]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_write_that_waits_ends_when_the_valve_is_closed() {
        let (mut stdin, _receiver) = pipe();
        let valve = stdin.0.clone();
        let more_than_a_pipe_holds = vec![0_u8; 8 << 20];
        let (outcome, ()) = tokio::join!(stdin.write_all(&more_than_a_pipe_holds), async {
            tokio::task::yield_now().await;
            valve.close();
        });
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
