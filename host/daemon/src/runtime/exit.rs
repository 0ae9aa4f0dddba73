//! How a run ended, in the words that people read.

use std::fmt;

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// The server ended by itself with this code; 0 too is an exit (behaviour 4.5).
    Code(i32),
    /// The server was ended by this signal.
    Signal(i32),
    /// It used more memory than it may, and the kernel ended it.
    OutOfMemory,
    /// It is gone, and nobody saw how.
    Unseen,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(number) => match Signal::try_from(number) {
                Ok(signal) => write!(f, "ended by {signal}"),
                Err(_) => write!(f, "ended by signal {number}"),
            },
            Self::OutOfMemory => f.write_str("exited with code 137 (out of memory)"),
            Self::Unseen => f.write_str("ended without a word"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_reads_as_a_sentence() {
        assert_eq!(Exit::Code(137).to_string(), "exited with code 137");
        assert_eq!(Exit::Signal(9).to_string(), "ended by SIGKILL");
        assert_eq!(Exit::Signal(40).to_string(), "ended by signal 40");
        assert_eq!(Exit::Unseen.to_string(), "ended without a word");
    }
}
