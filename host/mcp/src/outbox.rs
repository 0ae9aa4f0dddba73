//! What waits to be written to the server, and the writing itself.
//!
//! Who has something to send tries to write it at once, so that the common case costs no task switch;
//! what the pipe does not take is left to the writing task. Nothing here waits, so a caller that goes
//! away in the middle can never leave half a message behind.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::AsyncWrite;

/// Frames handed to the pipe in one system call.
const SLICES: usize = 16;
/// Answers to the server's own requests that may wait; a server that asks without reading gets no more.
const REPLIES_MAX: usize = 64;

pub(crate) type Stdin = Box<dyn AsyncWrite + Send + Unpin>;

/// What a frame is, which decides what may become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// May be taken back while it is unsent.
    Call(u64),
    Notice,
    Reply,
}

#[derive(Debug)]
pub(crate) enum Refusal {
    /// The bound is reached.
    Full,
    /// Stdin is closed.
    Closed,
    /// Writing failed just now.
    Broken(io::Error),
}

pub(crate) struct Outbox {
    stdin: Option<Stdin>,
    queue: Queue,
    bytes_max: usize,
    is_flushed: bool,
    is_silent: bool,
}

impl Outbox {
    pub(crate) fn new(stdin: Stdin, bytes_max: usize) -> Self {
        Self { stdin: Some(stdin), queue: Queue::default(), bytes_max, is_flushed: true, is_silent: false }
    }

    /// Takes a frame and writes what can be written at once. [`Poll::Pending`] means that the writing
    /// task has to be woken for the rest.
    pub(crate) fn push(&mut self, purpose: Purpose, frame: Vec<u8>) -> Poll<Result<(), Refusal>> {
        if self.stdin.is_none() || self.is_silent {
            return Poll::Ready(Err(Refusal::Closed));
        }
        let is_over = self.queue.bytes + frame.len() > self.bytes_max;
        if is_over || (purpose == Purpose::Reply && self.queue.replies >= REPLIES_MAX) {
            return Poll::Ready(Err(Refusal::Full));
        }
        let was_idle = self.queue.frames.is_empty() && self.is_flushed;
        self.queue.push(purpose, frame);
        if !was_idle {
            // The writing task is at it already.
            return Poll::Ready(Ok(()));
        }
        self.poll_write(&mut Context::from_waker(Waker::noop())).map_err(Refusal::Broken)
    }

    /// Writes until nothing is left.
    pub(crate) fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(stdin) = &mut self.stdin else { return Poll::Ready(Ok(())) };
        while !self.queue.frames.is_empty() {
            let (slices, count) = self.queue.slices();
            let written = ready!(Pin::new(&mut *stdin).poll_write_vectored(context, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_flushed = false;
            self.queue.advance(written);
        }
        if !self.is_flushed {
            ready!(Pin::new(stdin).poll_flush(context))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes back the frame of a call; `false` when some of it is written already.
    pub(crate) fn retract(&mut self, id: u64) -> bool {
        self.queue.retract(id)
    }

    /// Takes nothing more and drops what is unsent, but leaves stdin open: a server that only closed its
    /// stdout would exit for want of its stdin, and its exit would hide what it did.
    pub(crate) fn silence(&mut self) {
        self.is_silent = true;
        self.queue = Queue::default();
    }

    /// Closes stdin and gives the calls that were not written completely.
    pub(crate) fn close(&mut self) -> Vec<u64> {
        if let Some(mut stdin) = self.stdin.take() {
            // Half of a split stream is not closed by dropping it. What cannot be shut down at once is
            // dropped like a pipe.
            let _ = Pin::new(&mut stdin).poll_shutdown(&mut Context::from_waker(Waker::noop()));
        }
        std::mem::take(&mut self.queue).calls()
    }
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<(Purpose, Vec<u8>)>,
    /// How much of the first frame is written already.
    head_written: usize,
    /// Of all frames together.
    bytes: usize,
    replies: usize,
}

impl Queue {
    fn push(&mut self, purpose: Purpose, frame: Vec<u8>) {
        self.bytes += frame.len();
        self.replies += usize::from(purpose == Purpose::Reply);
        self.frames.push_back((purpose, frame));
    }

    fn slices(&self) -> ([IoSlice<'_>; SLICES], usize) {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut skip = self.head_written;
        for (slice, (_, frame)) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(&frame[std::mem::take(&mut skip)..]);
        }
        (slices, self.frames.len().min(SLICES))
    }

    fn advance(&mut self, written: usize) {
        self.head_written += written;
        while let Some((_, head)) = self.frames.front()
            && head.len() <= self.head_written
        {
            self.head_written -= head.len();
            self.remove(0);
        }
    }

    fn retract(&mut self, id: u64) -> bool {
        match self.frames.iter().position(|(purpose, _)| *purpose == Purpose::Call(id)) {
            None => false,
            Some(0) if self.head_written > 0 => false,
            Some(at) => {
                self.remove(at);
                true
            }
        }
    }

    fn remove(&mut self, at: usize) {
        if let Some((purpose, frame)) = self.frames.remove(at) {
            self.bytes -= frame.len();
            self.replies -= usize::from(purpose == Purpose::Reply);
        }
    }

    fn calls(self) -> Vec<u64> {
        let id = |(purpose, _)| if let Purpose::Call(id) = purpose { Some(id) } else { None };
        self.frames.into_iter().filter_map(id).collect()
    }
}
