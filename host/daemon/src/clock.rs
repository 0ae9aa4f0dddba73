//! Time and chance for the whole daemon, from one place, so that tests can pause the one and fix the other.
//!
//! The wall clock is read once; after that time advances with tokio's monotonic clock. So no step of the
//! wall clock shortens or stretches a backoff (behaviour 4.8), and `tokio::time::pause` holds all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use mcpd_core::backoff::Chance;
use mcpd_core::time::{after, between};
use tokio::time::Instant;

/// Time and chance; cheap to clone.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Anchor>);

#[derive(Debug)]
struct Anchor {
    wall: Timestamp,
    monotonic: Instant,
    chance: Source,
}

#[derive(Debug)]
enum Source {
    System,
    Seeded(AtomicU64),
}

impl Clock {
    /// The clock of the machine and the randomness of the operating system.
    #[expect(clippy::disallowed_methods, reason = "this is the place")]
    pub fn system() -> Self {
        Self::anchored(Timestamp::now(), Source::System)
    }

    /// A clock that starts at `wall` and draws the same numbers for the same seed.
    pub fn seeded(wall: Timestamp, seed: u64) -> Self {
        Self::anchored(wall, Source::Seeded(AtomicU64::new(seed)))
    }

    fn anchored(wall: Timestamp, chance: Source) -> Self {
        Self(Arc::new(Anchor { wall, monotonic: Instant::now(), chance }))
    }

    /// Now, as it is shown and stored; whole microseconds.
    pub fn now(&self) -> Timestamp {
        let now = after(self.0.wall, self.0.monotonic.elapsed());
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// The monotonic moment of a timestamp; moments that have passed give now.
    pub fn instant_of(&self, at: Timestamp) -> Instant {
        Instant::now() + between(self.now(), at)
    }

    /// 64 bits of chance.
    pub fn random(&self) -> u64 {
        match &self.0.chance {
            Source::System => getrandom::u64().unwrap_or_else(|_| self.mixed()),
            Source::Seeded(state) => mix(state.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)),
        }
    }

    /// A number in `[0, 1)`.
    pub fn chance(&self) -> Chance {
        Chance::from_bits(self.random())
    }

    /// Where the operating system gives no randomness; good enough for jitter, and nothing here needs more.
    fn mixed(&self) -> u64 {
        mix(u64::try_from(self.0.monotonic.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The finaliser of `SplitMix64`.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn paused_time_holds_the_clock_and_advancing_moves_it() {
        let clock = Clock::seeded(Timestamp::UNIX_EPOCH, 1);
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(clock.now(), Timestamp::from_second(30).unwrap());
        assert_eq!(clock.instant_of(Timestamp::UNIX_EPOCH), Instant::now());
    }
}
