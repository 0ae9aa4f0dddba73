//! Counts of what passed beside the answers, for metrics and for tests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a connection has seen since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Answers to ids that nobody waits for: late, twice, or made up.
    pub unknown_answers: u64,
    /// Notifications of the server.
    pub notifications: u64,
    /// Requests of the server that were answered.
    pub server_requests: u64,
    /// Requests of the server that were left unanswered because of a bound.
    pub server_requests_dropped: u64,
    /// Lines that were not JSON-RPC.
    pub noise_lines: u64,
    /// Lines over the bound.
    pub oversized_lines: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) unknown_answers: AtomicU64,
    pub(crate) notifications: AtomicU64,
    pub(crate) server_requests: AtomicU64,
    pub(crate) server_requests_dropped: AtomicU64,
    pub(crate) noise_lines: AtomicU64,
    pub(crate) oversized_lines: AtomicU64,
}

impl Counters {
    pub(crate) fn read(&self) -> Traffic {
        Traffic {
            unknown_answers: self.unknown_answers.load(Relaxed),
            notifications: self.notifications.load(Relaxed),
            server_requests: self.server_requests.load(Relaxed),
            server_requests_dropped: self.server_requests_dropped.load(Relaxed),
            noise_lines: self.noise_lines.load(Relaxed),
            oversized_lines: self.oversized_lines.load(Relaxed),
        }
    }
}

/// Counts one more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
