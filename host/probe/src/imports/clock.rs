//! `clock`: time and chance.

use std::time::Duration;

use crate::context::CheckContext;
use crate::contract::clock::Host;

impl Host for CheckContext {
    fn monotonic_us(&mut self) -> u64 {
        u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn unix_ms(&mut self) -> u64 {
        u64::try_from(self.clock.unix().as_millis()).unwrap_or(u64::MAX)
    }

    /// The future around the whole check ends a sleep that would outlast it.
    async fn sleep_ms(&mut self, ms: u32) {
        tokio::time::sleep(Duration::from_millis(ms.into())).await;
        self.cpu.rest();
    }

    fn random_u64(&mut self) -> u64 {
        self.clock.random()
    }
}
