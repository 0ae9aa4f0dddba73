//! What a check found and all it did, before the daemon makes a record of it.

use std::time::Duration;

use mcpd_core::check::{CallRecord, LogLine, Measure, Verdict};

use crate::log::Log;
use crate::outcome::Outcome;
use crate::state::{CheckState, StateWrites};

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckReport {
    /// The outcome.
    pub verdict: Verdict,
    /// One line for a person, 4 KiB at most; `ok` when a pass says nothing else.
    pub message: String,
    /// Open, kebab-case word; may be empty.
    pub reason: String,
    /// Evidence: a JSON value as text, 64 KiB at most.
    pub details: Option<String>,
    /// The check's log.
    pub logs: Vec<LogLine>,
    /// Its figures.
    pub measures: Vec<Measure>,
    /// Every MCP call in the order made, deferred ones last.
    pub calls: Vec<CallRecord>,
    /// From the begin of the check to its verdict; deferred calls come after that.
    pub duration: Duration,
    /// Time on a thread.
    pub cpu: Duration,
    /// Memories and tables of the guest.
    pub memory_bytes_peak: usize,
    /// Whether the host ended the check, because its time was over; the verdict is then what the host saw.
    pub ended_by_host: bool,
    /// What the probe keeps; empty unless it gave a verdict.
    pub state_writes: StateWrites,
}

/// What a run cost.
#[derive(Clone, Copy)]
pub(crate) struct Spent {
    pub(crate) duration: Duration,
    pub(crate) cpu: Duration,
    pub(crate) memory_bytes_peak: usize,
}

/// What a run left behind.
pub(crate) struct Traces {
    pub(crate) log: Log,
    pub(crate) state: CheckState,
    pub(crate) calls: Vec<CallRecord>,
}

impl CheckReport {
    pub(crate) fn new(outcome: Outcome, spent: Spent, traces: Traces) -> Self {
        let Spent { duration, cpu, memory_bytes_peak } = spent;
        let (logs, measures) = traces.log.into_parts();
        Self {
            duration,
            cpu,
            memory_bytes_peak,
            logs,
            measures,
            calls: traces.calls,
            state_writes: if outcome.is_verdict() { traces.state.into_writes() } else { StateWrites::new() },
            ..Self::without_run(outcome)
        }
    }

    /// A check that could not begin.
    pub(crate) fn without_run(outcome: Outcome) -> Self {
        let Outcome { verdict, message, reason, details, ended_by_host } = outcome;
        Self {
            verdict,
            message,
            reason,
            details,
            ended_by_host,
            logs: Vec::new(),
            measures: Vec::new(),
            calls: Vec::new(),
            duration: Duration::ZERO,
            cpu: Duration::ZERO,
            memory_bytes_peak: 0,
            state_writes: StateWrites::new(),
        }
    }
}
