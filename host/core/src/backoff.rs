//! When a failed attempt is tried again (behaviour 4.2).

use std::time::Duration;

use jiff::Timestamp;

use crate::time::after;

/// The most a delay is stretched, so that a fleet does not wake as one (behaviour 4.2).
pub const JITTER_MAX: f64 = 0.10;

/// Delays between attempts: `fast` for the first `fast_attempts`, then `slow` for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Delay after each of the first attempts; 30 s by default.
    pub fast: Duration,
    /// How many attempts are followed by `fast`; 5 by default.
    pub fast_attempts: u32,
    /// Delay after every later attempt; 300 s by default.
    pub slow: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { fast: Duration::from_secs(30), fast_attempts: 5, slow: Duration::from_mins(5) }
    }
}

/// A number in `[0, 1)` that the caller drew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance(f64);

impl Chance {
    /// The smallest chance: no jitter at all.
    pub const ZERO: Self = Self(0.0);

    /// Maps 64 random bits to `[0, 1)`.
    pub fn from_bits(bits: u64) -> Self {
        let high = u32::try_from(bits >> 32).unwrap_or(u32::MAX);
        Self(f64::from(high) / (f64::from(u32::MAX) + 1.0))
    }

    /// That part of a duration.
    pub fn of(self, duration: Duration) -> Duration {
        duration.mul_f64(self.0)
    }
}

impl Schedule {
    /// The delay after attempt number `attempt` (1 is the first): never shorter than the schedule and at
    /// most [`JITTER_MAX`] longer.
    pub fn delay(&self, attempt: u32, chance: Chance) -> Duration {
        let base = if attempt <= self.fast_attempts { self.fast } else { self.slow };
        base.saturating_add(chance.of(base.mul_f64(JITTER_MAX)))
    }

    /// The longest delay the schedule can give.
    pub fn longest(&self) -> Duration {
        let base = self.fast.max(self.slow);
        base.saturating_add(base.mul_f64(JITTER_MAX))
    }

    /// A `retry_at` read from disk, where the wall clock may have been another: cut to now plus the
    /// longest delay (behaviour 4.8).
    pub fn cut(&self, retry_at: Timestamp, now: Timestamp) -> Timestamp {
        retry_at.min(after(now, self.longest()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thirty_seconds_five_times_then_five_minutes_for_ever() {
        let schedule = Schedule::default();
        let delays: Vec<u64> =
            [1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|n| schedule.delay(n, Chance::ZERO).as_secs()).to_vec();
        assert_eq!(delays, [30, 30, 30, 30, 30, 300, 300, 300]);
    }

    #[test]
    fn a_time_from_disk_is_cut_to_the_longest_delay() {
        let schedule = Schedule::default();
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(schedule.cut(Timestamp::MAX, now), after(now, Duration::from_secs(330)));
        assert_eq!(schedule.cut(now, now), now);
    }

    proptest! {
        #[test]
        fn a_delay_is_never_shorter_than_the_schedule_and_at_most_a_tenth_longer(attempt: u32, bits: u64) {
            let schedule = Schedule::default();
            let base = schedule.delay(attempt, Chance::ZERO);
            let delay = schedule.delay(attempt, Chance::from_bits(bits));
            prop_assert!(delay >= base);
            prop_assert!(delay <= base.mul_f64(1.1));
        }
    }
}
