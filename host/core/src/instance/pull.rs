//! What an attempt tells while its image is on the way.

use std::time::Duration;

use jiff::Timestamp;

use super::{Instance, Phase};
use crate::event::{EventDraft, PULLING};
use crate::time::words;

impl Instance {
    /// Its image is being pulled; each word of it takes the place of the one before.
    pub fn pulling(mut self, image: &str, done_bytes: u64, total_bytes: u64, now: Timestamp) -> Self {
        if self.phase == Phase::Starting {
            let message = match total_bytes {
                0 => format!("pulling image {image}"),
                _ => format!("pulling image {image}: {} of {} MiB", mib(done_bytes), mib(total_bytes)),
            };
            self.events.push(EventDraft::normal(PULLING, message), now);
        }
        self.settle(now)
    }

    /// Its image is here.
    pub fn pulled(mut self, image: &str, took: Duration, now: Timestamp) -> Self {
        if self.phase == Phase::Starting {
            let message = format!("pulled image {image} in {}", words(took));
            self.events.push(EventDraft::normal("Pulled", message), now);
        }
        self.settle(now)
    }
}

/// Whole MiB, as people read a download; what is begun counts.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}
