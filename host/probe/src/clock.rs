//! Time and chance of a check: the machine's, or made up so that a scenario always goes the same way.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Where a check takes time and chance from. Durations are tokio's in both, so that a harness can pause them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The machine's.
    #[default]
    Real,
    /// A given date, and chance that repeats.
    Virtual {
        /// Milliseconds since 1970 at the start of the check.
        unix_ms: u64,
        /// The same seed gives the same numbers.
        seed: u64,
    },
}

/// The clock of one check.
pub(crate) struct CheckClock {
    source: Clock,
    started: Instant,
    deadline: Instant,
    random: Option<SplitMix>,
}

impl CheckClock {
    pub(crate) fn start(source: Clock, timeout: Duration) -> Self {
        let started = Instant::now();
        Self { source, started, deadline: started + timeout, random: None }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Until the whole check is stopped.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    pub(crate) fn unix(&self) -> Duration {
        match self.source {
            Clock::Real => machine_time(),
            Clock::Virtual { unix_ms, .. } => Duration::from_millis(unix_ms) + self.elapsed(),
        }
    }

    pub(crate) fn random(&mut self) -> u64 {
        let source = self.source;
        self.random.get_or_insert_with(|| SplitMix::of(source)).next()
    }

    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self.source, Clock::Virtual { .. })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where a guest is told the machine's time")]
fn machine_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Vigna's splitmix64: chance for a probe's names and jitter, not for keys.
struct SplitMix(u64);

impl SplitMix {
    fn of(source: Clock) -> Self {
        match source {
            Clock::Real => Self(RandomState::new().hash_one(0)),
            Clock::Virtual { seed, .. } => Self(seed),
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIRTUAL: Clock = Clock::Virtual { unix_ms: 1_000, seed: 7 };

    #[tokio::test(start_paused = true)]
    async fn virtual_time_goes_on_with_the_paused_clock() {
        let clock = CheckClock::start(VIRTUAL, Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(clock.unix(), Duration::from_secs(5));
        assert_eq!(clock.remaining(), Duration::from_secs(6));
    }

    #[tokio::test]
    async fn virtual_chance_repeats() {
        let three = || {
            let mut clock = CheckClock::start(VIRTUAL, Duration::ZERO);
            [clock.random(), clock.random(), clock.random()]
        };
        assert_eq!(three(), three());
    }
}
