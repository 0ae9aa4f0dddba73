//! Durations for people, as kubectl writes them.

use std::time::Duration;

use jiff::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// From then to now; nothing where that lies ahead.
pub fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// One unit: `4s`, `1m`, `3h`, `2d`, `1y`. For ages.
pub fn short(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..MINUTE => format!("{seconds}s"),
        seconds @ MINUTE..HOUR => format!("{}m", seconds / MINUTE),
        seconds @ HOUR..DAY => format!("{}h", seconds / HOUR),
        seconds @ DAY..YEAR => format!("{}d", seconds / DAY),
        seconds => format!("{}y", seconds / YEAR),
    }
}

/// Two units where the second one matters: `24s`, `4m30s`, `2h5m`, `3d4h`. For what somebody waits for.
pub fn precise(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..MINUTE => format!("{seconds}s"),
        MINUTE..HOUR => pair(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        HOUR..DAY => pair(seconds / HOUR, "h", seconds % HOUR / MINUTE, "m"),
        _ => pair(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
    }
}

/// `in 24s`, or `now` where it is due.
pub fn until(then: Timestamp, now: Timestamp) -> String {
    let left = since(now, then);
    if left.as_secs() == 0 { "now".to_owned() } else { format!("in {}", precise(left)) }
}

/// Milliseconds: `0.4 ms`, `12 ms`, `1.5 s`.
pub fn milliseconds(duration_ms: f64) -> String {
    match duration_ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

fn pair(first: u64, unit: &str, second: u64, second_unit: &str) -> String {
    if second == 0 { format!("{first}{unit}") } else { format!("{first}{unit}{second}{second_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit_and_waits_two() {
        let both = |seconds| {
            let duration = Duration::from_secs(seconds);
            format!("{} {}", short(duration), precise(duration))
        };
        let all: Vec<_> = [0, 59, 60, 270, 3600, 7500, 86_399, 90_000, 40_000_000].map(both).into();
        insta::assert_snapshot!(all.join(", "), @"0s 0s, 59s 59s, 1m 1m, 4m 4m30s, 1h 1h, 2h 2h5m, 23h 23h59m, 1d 1d1h, 1y 462d23h");
    }

    #[test]
    fn a_time_that_passed_is_now_and_one_ahead_is_no_age() {
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(24).unwrap());
        assert_eq!(until(late, early), "in 24s");
        assert_eq!(until(early, late), "now");
        assert_eq!(since(late, early), Duration::ZERO);
    }
}
