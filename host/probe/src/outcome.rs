//! How a check may end, told apart as far as anybody acts on it (behaviour 6.6 to 6.8).

use std::time::Duration;

use mcpd_core::check::{FailureKind, Inconclusive, Verdict};
use serde::de::IgnoredAny;
use wasmtime::PoolConcurrencyLimitError;
use wasmtime_wasi::I32Exit;

use crate::calls::CallError;
use crate::context::{CheckContext, CpuExhausted};
use crate::contract;
use crate::contract::types::{Failure, Finding};
use crate::mcp::CALL_LIMIT;
use crate::text;

/// Evidence that is kept with a check.
const DETAILS_BYTES_MAX: usize = 64 * 1024;
/// What a pass says that says nothing.
const PASSED: &str = "ok";

/// How a guest's run ended.
pub(crate) enum Ended<T> {
    /// It returned.
    Returned(T),
    /// It was ended by a trap, an exit or a limit.
    Trapped(wasmtime::Error),
    /// The wall clock ran out.
    OutOfTime,
}

/// The outcome of a check in mcpd's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
    pub(crate) reason: String,
    pub(crate) details: Option<String>,
    pub(crate) ended_by_host: bool,
}

impl Outcome {
    /// What the host itself has to say.
    pub(crate) fn new(verdict: Verdict, message: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { verdict, message: message.into(), reason: reason.into(), details: None, ended_by_host: false }
    }

    /// Whether the probe itself gave a verdict, and did not hand on a failure.
    pub(crate) fn is_verdict(&self) -> bool {
        matches!(self.verdict, Verdict::Pass | Verdict::Warn | Verdict::Fail | Verdict::Unknown)
    }

    fn inconclusive(cause: Inconclusive, message: impl Into<String>) -> Self {
        Self::new(Verdict::Inconclusive(cause), message, cause.as_str())
    }
}

/// What the end of `run` means.
pub(crate) fn judge(
    ended: Ended<Result<contract::Verdict, Failure>>,
    context: &mut CheckContext,
    timeout: Duration,
) -> Outcome {
    match ended {
        Ended::Returned(Ok(verdict)) => found(verdict),
        Ended::Returned(Err(failure)) => handed_on(failure.into(), context),
        Ended::Trapped(error) => trapped(&error, context),
        Ended::OutOfTime => out_of_time(context, timeout),
    }
}

/// What a guest that did not return means, in `run` and in `describe`.
pub(crate) fn trapped(error: &wasmtime::Error, context: &CheckContext) -> Outcome {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return Outcome::inconclusive(Inconclusive::Exit, format!("the probe called exit({code})"));
    }
    if let Some(exhausted) = error.downcast_ref::<CpuExhausted>() {
        return Outcome::inconclusive(Inconclusive::CpuLimit, exhausted.to_string());
    }
    if let Some(refusal) = context.limiter.refused() {
        return Outcome::inconclusive(Inconclusive::MemoryLimit, refusal.to_string());
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return Outcome::new(
            Verdict::Failure(FailureKind::Host),
            format!("no room for the probe: {error}"),
            "pool",
        );
    }
    let cause = text::line(&error.root_cause().to_string(), text::MESSAGE_BYTES_MAX);
    Outcome::inconclusive(Inconclusive::Trap, format!("the probe trapped: {cause}"))
}

/// A guest that returned a verdict.
fn found(verdict: contract::Verdict) -> Outcome {
    let (verdict, finding, silent) = match verdict {
        contract::Verdict::Pass(finding) => (Verdict::Pass, finding, PASSED),
        contract::Verdict::Warn(finding) => {
            (Verdict::Warn, finding, "the probe warns and does not say of what")
        }
        contract::Verdict::Fail(finding) => (Verdict::Fail, finding, "the probe failed and does not say why"),
        contract::Verdict::Unknown(finding) => (Verdict::Unknown, finding, "the probe could not tell"),
    };
    let Finding { message, reason, details } = finding;
    let message = match text::words(&message) {
        empty if empty.trim().is_empty() => silent.to_owned(),
        words => words,
    };
    Outcome { details: kept_details(details), ..Outcome::new(verdict, message, text::reason(&reason)) }
}

/// A guest that handed a failed call on: judged by its kind, in the words of the server.
fn handed_on(error: CallError, context: &CheckContext) -> Outcome {
    let message = text::words(&error.message);
    if error.kind == FailureKind::Quota && error.reason == CALL_LIMIT && context.mcp.is_exhausted() {
        return Outcome::inconclusive(Inconclusive::CallLimit, message);
    }
    let kind = seen_kind(error.kind, context);
    let reason = text::reason(&error.reason);
    Outcome { details: kept_details(error.data), ..Outcome::new(Verdict::Failure(kind), message, reason) }
}

/// A restart is for what the host itself saw (behaviour 6.12): a kind that could bring one about and that no
/// call of this check had is the probe's own word, and no more than that.
fn seen_kind(kind: FailureKind, context: &CheckContext) -> FailureKind {
    if kind.is_mendable() && !context.mcp.saw(kind) { FailureKind::Other } else { kind }
}

/// While a call waits the server is slow; otherwise the probe is.
fn out_of_time(context: &mut CheckContext, timeout: Duration) -> Outcome {
    let outcome = match context.mcp.end_pending(timeout) {
        Some(error) => Outcome::new(Verdict::Failure(error.kind), error.message, error.reason),
        None => too_slow(timeout),
    };
    Outcome { ended_by_host: true, ..outcome }
}

/// The wall clock ran out while the guest was busy with itself.
pub(crate) fn too_slow(timeout: Duration) -> Outcome {
    let message = format!("the probe was still busy with itself after {}", text::duration(timeout));
    Outcome::inconclusive(Inconclusive::CpuLimit, message)
}

/// Details are JSON or they are nothing.
fn kept_details(details: Option<String>) -> Option<String> {
    details.filter(|json| json.len() <= DETAILS_BYTES_MAX && serde_json::from_str::<IgnoredAny>(json).is_ok())
}
