//! The stdin of a process: a pipe that also tells whether the server has read what was written, and
//! whether anybody still can.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncWrite, Interest};
use tokio::net::unix::pipe::Sender;
use tokio::time::sleep;

use crate::CloseReason;
use crate::link::Link;

/// A process that exits closes its stdin a moment before its stdout; the latter is what people expect to
/// read, and answers may still be in it.
const STDOUT_GRACE: Duration = Duration::from_millis(100);

/// The writing end; the pipe is closed when it is dropped.
pub(crate) struct Stdin(Arc<Sender>);

/// Looks at the same pipe without keeping it open.
#[derive(Clone)]
pub(crate) struct StdinWatch(Weak<Sender>);

impl Stdin {
    pub(crate) fn new(pipe: OwnedFd) -> io::Result<Self> {
        Sender::from_owned_fd(pipe).map(|sender| Self(Arc::new(sender)))
    }

    pub(crate) fn watch(&self) -> StdinWatch {
        StdinWatch(Arc::downgrade(&self.0))
    }

    fn poll(
        &self,
        context: &mut Context<'_>,
        write: impl Fn(&Sender) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(context))?;
            match write(&self.0) {
                // It was not ready after all, and is known not to be now.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

impl StdinWatch {
    /// Whether some of what was written still waits to be read: the server has not come to it yet.
    pub(crate) fn is_unread(&self) -> bool {
        let unread = |pipe: Arc<Sender>| rustix::io::ioctl_fionread(&*pipe).is_ok_and(|bytes| bytes > 0);
        self.0.upgrade().is_some_and(unread)
    }

    /// Ends the connection when the server has closed its end, also when there is nothing to be written.
    pub(crate) async fn guard(self, link: Arc<Link>) {
        let Some(pipe) = self.0.upgrade() else { return };
        tokio::select! {
            _ = pipe.ready(Interest::ERROR) => {}
            _ = link.closed() => return,
        }
        drop(pipe);
        tokio::select! {
            () = sleep(STDOUT_GRACE) => {}
            _ = link.closed() => {}
        }
        link.stop_sending(&CloseReason::StdinBroken("nobody can read it any more".to_owned()));
    }
}

impl AsyncWrite for Stdin {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(context, |pipe| pipe.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(context, |pipe| pipe.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
