//! How what ran came to its end, in words.

use serde::{Deserialize, Serialize};

/// How a process or container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It ended by itself, or the engine gives 128 + signal.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It used more memory than it may, and the kernel ended it.
    OutOfMemory,
    /// It closed its stdout, which ends an MCP server over stdio; mcpd ended the rest (behaviour 7.2).
    ClosedStdout,
    /// It closed its stdin, so that nothing can be asked of it any more; mcpd ended the rest (behaviour 7.2).
    ClosedStdin,
    /// It is not there any more, and nobody saw it end.
    Vanished,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "exited with code {} (signal {signal})", 128 + signal),
            Self::OutOfMemory => f.write_str("exited with code 137 (out of memory)"),
            Self::ClosedStdout => f.write_str("closed its stdout"),
            Self::ClosedStdin => f.write_str("closed its stdin"),
            Self::Vanished => f.write_str("disappeared"),
        }
    }
}
