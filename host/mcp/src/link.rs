//! What the callers, the reading task and the writing task of one connection share.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::calls::{Calls, Ending};
use crate::outbox::{Outbox, Purpose, Refusal};
use crate::traffic::Counters;
use crate::{
    Answer, CallError, Caller, CloseReason, ConnectOptions, ID_START_MAX, Limits, Noise, frame, reader,
};

pub(crate) struct Link {
    pub(crate) calls: Calls,
    pub(crate) counters: Counters,
    pub(crate) noise: Noise,
    pub(crate) limits: Limits,
    outbox: Mutex<Outbox>,
    is_left_over: Notify,
    closed: watch::Sender<Option<CloseReason>>,
    next_id: AtomicU64,
}

/// One request and what becomes of it.
pub(crate) struct Call<'a> {
    pub(crate) caller: Caller,
    pub(crate) method: &'a str,
    pub(crate) params: Option<&'a RawValue>,
    /// Members of `_meta`, for the stateless revision.
    pub(crate) meta: Option<&'a str>,
    pub(crate) deadline: Duration,
    pub(crate) on_abandon: OnAbandon,
}

/// What the server is told when the caller has stopped waiting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnAbandon {
    Cancel,
    /// The protocol forbids to cancel `initialize`, and nothing else may come before its end.
    SayNothing,
}

impl Link {
    /// Starts the two tasks of a connection. They end with `tasks`.
    pub(crate) fn start(
        stdout: impl AsyncRead + Send + Unpin + 'static,
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        options: &ConnectOptions,
        tasks: &mut JoinSet<()>,
    ) -> Arc<Self> {
        let link = Arc::new(Self {
            calls: Calls::new(options.limits.calls_in_flight),
            counters: Counters::default(),
            noise: Arc::clone(&options.noise),
            limits: options.limits,
            outbox: Mutex::new(Outbox::new(Box::new(stdin), options.limits.queue_bytes)),
            is_left_over: Notify::new(),
            closed: watch::Sender::new(None),
            next_id: AtomicU64::new(options.id_start % ID_START_MAX),
        });
        tasks.spawn(reader::read(stdout, Arc::clone(&link)));
        tasks.spawn(write(Arc::clone(&link)));
        link
    }

    /// Sends a request and waits for its ending. Dropping the future is the caller going away.
    pub(crate) async fn call(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let id = self.next_id.fetch_add(1, Relaxed);
        let frame = self.frame(id, call)?;
        let Ok(ending) = self.calls.begin(id, call.caller) else {
            return Err(CallError::TooManyCalls { limit: self.limits.calls_in_flight });
        };
        if let Err(refusal) = self.send(Purpose::Call(id), frame) {
            self.calls.abandon(id);
            return Err(self.unsent(&refusal, call.method));
        }
        let under_way = UnderWay { link: self, id, on_abandon: call.on_abandon };
        let ending = timeout(call.deadline, ending).await;
        drop(under_way);
        match ending {
            Ok(Ok(ending)) => self.answer(ending, call.method),
            Ok(Err(_)) => Err(self.lost(call.method)),
            Err(_) => Err(CallError::Timeout { after: call.deadline }),
        }
    }

    /// Sends a notification; where that is not possible it is dropped, for nobody waits for it.
    pub(crate) fn notify(&self, frame: Vec<u8>) {
        let _ = self.send(Purpose::Notice, frame);
    }

    pub(crate) fn send(&self, purpose: Purpose, frame: Vec<u8>) -> Result<(), Refusal> {
        let pushed = self.outbox().push(purpose, frame);
        match pushed {
            Poll::Ready(Err(Refusal::Broken(error))) => {
                self.stop_sending(&CloseReason::StdinBroken(error.to_string()));
                Err(Refusal::Broken(error))
            }
            Poll::Ready(result) => result,
            Poll::Pending => {
                self.is_left_over.notify_one();
                Ok(())
            }
        }
    }

    /// Nothing more is sent. What was sent may still be answered, until stdout ends; what was not ends now.
    pub(crate) fn stop_sending(&self, reason: &CloseReason) {
        self.set_closed(reason.clone());
        let unsent = self.outbox().close();
        for id in unsent {
            self.calls.end(id, || Ending::Lost(reason.clone()));
        }
    }

    /// Nothing more will be heard: every call ends now. Stdin stays open until the connection is closed or
    /// dropped.
    pub(crate) fn stop(&self, reason: &CloseReason) {
        self.set_closed(reason.clone());
        self.outbox().silence();
        self.calls.end_all(reason);
    }

    pub(crate) async fn closed(&self) -> CloseReason {
        let mut closed = self.closed.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let reason = closed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or(CloseReason::ClosedByUs)
    }

    /// The first reason is the one that counts; what follows is its consequence.
    fn set_closed(&self, reason: CloseReason) {
        self.closed.send_if_modified(|closed| {
            let is_first = closed.is_none();
            closed.get_or_insert(reason);
            is_first
        });
    }

    /// Why the connection has ended; `None` while it is open.
    pub(crate) fn ended(&self) -> Option<CloseReason> {
        self.closed.borrow().clone()
    }

    fn close_reason(&self) -> CloseReason {
        self.ended().unwrap_or(CloseReason::ClosedByUs)
    }

    fn frame(&self, id: u64, call: &Call<'_>) -> Result<Vec<u8>, CallError> {
        let frame = frame::request(id, call.method, call.params, call.meta)
            .map_err(|_| CallError::ParamsNotObject { method: call.method.to_owned() })?;
        let (bytes, limit) = (frame.len() - 1, self.limits.message_bytes);
        if bytes > limit { Err(CallError::RequestTooLarge { bytes, limit }) } else { Ok(frame) }
    }

    fn unsent(&self, refusal: &Refusal, method: &str) -> CallError {
        match refusal {
            Refusal::Full => CallError::QueueFull { limit: self.limits.queue_bytes },
            Refusal::Closed | Refusal::Broken(_) => {
                CallError::NotConnected { method: method.to_owned(), reason: self.close_reason() }
            }
        }
    }

    fn answer(&self, ending: Ending, method: &str) -> Result<Answer, CallError> {
        let method = || method.to_owned();
        match ending {
            Ending::Answered(answer) => Ok(answer),
            Ending::Invalid(what) => Err(CallError::Protocol { method: method(), what }),
            Ending::TooLarge { bytes } => {
                Err(CallError::AnswerTooLarge { bytes, limit: self.limits.message_bytes })
            }
            Ending::Lost(reason) => Err(CallError::Lost { method: method(), reason }),
        }
    }

    fn lost(&self, method: &str) -> CallError {
        CallError::Lost { method: method.to_owned(), reason: self.close_reason() }
    }

    fn abandon(&self, id: u64, on_abandon: OnAbandon) {
        let is_unsent = self.outbox().retract(id);
        if !is_unsent && on_abandon == OnAbandon::Cancel {
            self.notify(frame::cancelled(id, "the caller has stopped waiting"));
        }
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        // Only a writer of somebody else's making could panic in there; the stream is closed then.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sees to it that a call that ended without an answer leaves nothing behind.
struct UnderWay<'a> {
    link: &'a Link,
    id: u64,
    on_abandon: OnAbandon,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.link.calls.abandon(self.id) {
            self.link.abandon(self.id, self.on_abandon);
        }
    }
}

/// The writing task: writes what the pipe did not take at once.
async fn write(link: Arc<Link>) {
    loop {
        link.is_left_over.notified().await;
        let written = poll_fn(|context| {
            let result = ready!(link.outbox().poll_write(context));
            Poll::Ready(result)
        });
        if let Err(error) = written.await {
            link.stop_sending(&CloseReason::StdinBroken(error.to_string()));
            return;
        }
    }
}
