//! CPU time of a check: the time its future is being polled, so that neither waiting nor yielding counts.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A future that adds up the time it is polled for.
pub(crate) struct Metered<F> {
    future: F,
    busy: Duration,
}

impl<F: Future + Unpin> Metered<F> {
    pub(crate) fn new(future: F) -> Self {
        Self { future, busy: Duration::ZERO }
    }
}

impl<F: Future + Unpin> Future for Metered<F> {
    type Output = (F::Output, Duration);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let started = now();
        let polled = Pin::new(&mut self.future).poll(context);
        self.busy += started.elapsed();
        polled.map(|output| (output, self.busy))
    }
}

/// CPU time is real also where a test pauses tokio's clock.
#[expect(clippy::disallowed_methods, reason = "measures the CPU time of this very thread, decides nothing")]
fn now() -> Instant {
    Instant::now()
}
