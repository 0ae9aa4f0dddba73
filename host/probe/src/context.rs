//! All that one check has and has done: the data of its store, the state behind every import.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use wasmtime::{Result, UpdateDeadline};

use crate::clock::CheckClock;
use crate::limiter::Limiter;
use crate::limits::Limits;
use crate::log::Log;
use crate::mcp::Mcp;
use crate::state::CheckState;
use crate::target::Target;
use crate::ticker::TICK;
use crate::wasi::Wasi;

/// The data of the store of one check.
pub(crate) struct CheckContext {
    pub(crate) target: Arc<Target>,
    pub(crate) mcp: Mcp,
    pub(crate) state: CheckState,
    pub(crate) log: Log,
    pub(crate) clock: CheckClock,
    pub(crate) limiter: Limiter,
    pub(crate) cpu: CpuBudget,
    pub(crate) wasi: Wasi,
    /// Whether there is a server; there is none for `describe`.
    pub(crate) is_check: bool,
}

/// CPU time in ticks of the epoch.
pub(crate) struct CpuBudget {
    limit: Duration,
    used: Duration,
    rested: bool,
}

/// The guest computed for longer than it may.
#[derive(Debug, Error)]
#[error("the probe computed for {}, its limit", crate::text::duration(*.limit))]
pub(crate) struct CpuExhausted {
    limit: Duration,
}

impl CpuBudget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { limit: limits.cpu(), used: Duration::ZERO, rested: false }
    }

    /// A host call waited: the ticks that went by meanwhile were not the guest's.
    pub(crate) fn rest(&mut self) {
        self.rested = true;
    }

    /// A tick found the guest computing: ends it, or lets other tasks have the thread.
    pub(crate) fn tick(&mut self) -> Result<UpdateDeadline> {
        if !std::mem::take(&mut self.rested) {
            self.used += TICK;
        }
        if self.used > self.limit {
            return Err(CpuExhausted { limit: self.limit }.into());
        }
        Ok(UpdateDeadline::Yield(1))
    }
}
