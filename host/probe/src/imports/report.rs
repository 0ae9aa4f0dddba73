//! `report`: the log and the figures of a check.

use mcpd_core::check::LogLevel;

use crate::context::CheckContext;
use crate::contract::report::{Host, Level};

impl Host for CheckContext {
    fn log(&mut self, level: Level, message: String) {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.log.line(level, &message);
    }

    fn measure(&mut self, name: String, value: f64) {
        self.log.measure(&name, value);
    }
}
