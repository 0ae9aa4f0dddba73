//! Arithmetic on points in time that cannot overflow or go negative.

use std::time::Duration;

use jiff::Timestamp;

/// `start + wait`, or the end of time.
pub fn after(start: Timestamp, wait: Duration) -> Timestamp {
    start.checked_add(wait).unwrap_or(Timestamp::MAX)
}

/// `later - earlier`, zero when they are the other way round.
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// A duration as people write it: `10s`, `0.5s`, `2m`, `1h`.
pub fn words(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match duration.as_secs() {
        s if duration.subsec_nanos() != 0 && s < 60 => format!("{}s", round_to_hundredths(seconds)),
        s if s < 120 => format!("{s}s"),
        s if s < 7200 => format!("{}m", s / 60),
        s if s < 172_800 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

fn round_to_hundredths(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        let words = |ms| words(Duration::from_millis(ms));
        assert_eq!(words(10_000), "10s");
        assert_eq!(words(500), "0.5s");
        assert_eq!(words(90_000), "90s");
        assert_eq!(words(150_000), "2m");
        assert_eq!(words(7_200_000), "2h");
    }

    #[test]
    fn time_never_overflows_or_runs_backwards() {
        assert_eq!(after(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(between(Timestamp::MAX, Timestamp::MIN), Duration::ZERO);
    }
}
