//! What a probe may use, and the ceilings that configuration can not pass.

use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// The largest component mcpd takes: a Python probe has 18 MB.
pub const COMPONENT_BYTES_MAX: usize = 64 * MIB;

/// The largest amount of memory any probe may be given; also the size of a slot of the pool.
pub(crate) const MEMORY_BYTES_CEILING: usize = 512 * MIB;

const CPU_CEILING: Duration = Duration::from_secs(10);
const CALLS_CEILING: u32 = 1_000;
const ANSWER_BYTES_CEILING: usize = 4 * MIB;

/// The limits of one probe, each within its ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    cpu: Duration,
    memory_bytes: usize,
    calls: u32,
    answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { cpu: Duration::from_secs(1), memory_bytes: 256 * MIB, calls: 100, answer_bytes: 256 * 1024 }
    }
}

impl Limits {
    /// CPU time of one check, 10 s at most.
    #[must_use]
    pub fn with_cpu(self, cpu: Duration) -> Self {
        Self { cpu: cpu.min(CPU_CEILING), ..self }
    }

    /// Memories and tables of one check together, 512 MiB at most.
    #[must_use]
    pub fn with_memory_bytes(self, bytes: usize) -> Self {
        Self { memory_bytes: bytes.min(MEMORY_BYTES_CEILING), ..self }
    }

    /// MCP calls of one check, 1,000 at most.
    #[must_use]
    pub fn with_calls(self, calls: u32) -> Self {
        Self { calls: calls.min(CALLS_CEILING), ..self }
    }

    /// One answer into the guest, 4 MiB at most.
    #[must_use]
    pub fn with_answer_bytes(self, bytes: usize) -> Self {
        Self { answer_bytes: bytes.min(ANSWER_BYTES_CEILING), ..self }
    }

    /// CPU time of one check.
    pub fn cpu(&self) -> Duration {
        self.cpu
    }

    /// Memories and tables of one check together.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// MCP calls of one check.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// One answer into the guest.
    pub fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_can_not_pass_a_ceiling() {
        let limits = Limits::default()
            .with_cpu(Duration::from_secs(99))
            .with_memory_bytes(usize::MAX)
            .with_calls(u32::MAX)
            .with_answer_bytes(usize::MAX);
        assert_eq!(limits.cpu(), CPU_CEILING);
        assert_eq!(limits.memory_bytes(), MEMORY_BYTES_CEILING);
        assert_eq!(limits.calls(), CALLS_CEILING);
        assert_eq!(limits.answer_bytes(), ANSWER_BYTES_CEILING);
    }
}
