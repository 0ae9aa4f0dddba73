//! What a check wants people to see: log lines and figures, bounded, so that a probe can not flood the store.

use mcpd_core::check::{LogLevel, LogLine, Measure};

use crate::text;

const LINES_MAX: usize = 200;
const LINE_BYTES_MAX: usize = 4 * 1024;
const LOG_BYTES_MAX: usize = 64 * 1024;
const MEASURES_MAX: usize = 16;
const MEASURE_NAME_BYTES_MAX: usize = 63;

/// The log and the figures of one check.
#[derive(Default)]
pub(crate) struct Log {
    lines: Vec<LogLine>,
    bytes: usize,
    lines_dropped: u64,
    measures: Vec<Measure>,
}

impl Log {
    pub(crate) fn line(&mut self, level: LogLevel, message: &str) {
        if self.lines.len() == LINES_MAX || self.bytes == LOG_BYTES_MAX {
            self.lines_dropped += 1;
            return;
        }
        let room = (LOG_BYTES_MAX - self.bytes).clamp(text::LINE_BYTES_MIN, LINE_BYTES_MAX);
        let message = text::line(message, room);
        self.bytes = (self.bytes + message.len()).min(LOG_BYTES_MAX);
        self.lines.push(LogLine { level, message });
    }

    /// Keeps the last value of each name; what is no figure becomes a line of the log.
    pub(crate) fn measure(&mut self, name: &str, value: f64) {
        if !is_measure_name(name) || !value.is_finite() {
            return self.line(LogLevel::Warn, &format!("measure refused: {}", text::line(name, 80)));
        }
        if let Some(measure) = self.measures.iter_mut().find(|measure| measure.name == name) {
            measure.value = value;
        } else if self.measures.len() < MEASURES_MAX {
            self.measures.push(Measure { name: name.to_owned(), value });
        } else {
            self.line(LogLevel::Warn, &format!("measure refused, {MEASURES_MAX} are the limit: {name}"));
        }
    }

    pub(crate) fn into_parts(mut self) -> (Vec<LogLine>, Vec<Measure>) {
        if self.lines_dropped > 0 {
            let message = format!("{} lines more were dropped", self.lines_dropped);
            self.lines.push(LogLine { level: LogLevel::Warn, message });
        }
        (self.lines, self.measures)
    }
}

/// `[a-z][a-z0-9_]{0,62}` of the contract.
fn is_measure_name(name: &str) -> bool {
    name.len() <= MEASURE_NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_dropped_and_counted() {
        let mut log = Log::default();
        for _ in 0..1_000 {
            log.line(LogLevel::Info, "again");
        }
        let (lines, _) = log.into_parts();
        assert_eq!(lines.len(), LINES_MAX + 1);
        assert_eq!(lines[LINES_MAX].message, "800 lines more were dropped");
    }

    #[test]
    fn long_lines_fill_the_log_and_no_more() {
        let mut log = Log::default();
        for _ in 0..100 {
            log.line(LogLevel::Info, &"x".repeat(1 << 20));
        }
        let (lines, _) = log.into_parts();
        let bytes: usize = lines.iter().map(|line| line.message.len()).sum();
        assert!(lines.iter().all(|line| line.message.len() <= LINE_BYTES_MAX));
        assert!(bytes <= LOG_BYTES_MAX + 100, "{bytes}");
    }

    #[test]
    fn the_last_value_of_a_measure_counts_and_nonsense_is_refused() {
        let mut log = Log::default();
        for (name, value) in [("rows", 1.0), ("rows", 2.0), ("Rows", 1.0), ("a b", 1.0), ("nan", f64::NAN)] {
            log.measure(name, value);
        }
        let (lines, measures) = log.into_parts();
        assert_eq!(measures, [Measure { name: "rows".into(), value: 2.0 }]);
        assert_eq!(lines.len(), 3);
    }
}
