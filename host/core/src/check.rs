//! What one check found: the words that probes, the fold, the store and the views share.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why a call or a check failed; the closed list of `failure-kind` in `wit/probe.wit`, and `verdict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// No live connection, or it broke while the call was under way.
    Transport,
    /// No answer before the deadline of the call or of the whole check.
    Timeout,
    /// The server or what stands before it refused the credentials.
    Unauthorized,
    /// The answer was not a valid MCP message.
    Protocol,
    /// The server answered with a JSON-RPC error.
    Rpc,
    /// The tool ran and reported failure (`isError: true`).
    Tool,
    /// The check is not allowed to make this call.
    Denied,
    /// A budget of the check is used up.
    Quota,
    /// The probe called an import with wrong arguments.
    Invalid,
    /// The answer is none a check can use.
    Unsupported,
    /// mcpd or the engine is in trouble, not the server.
    Host,
    /// Anything else.
    Other,
    /// The probe itself said `fail`.
    Verdict,
}

impl FailureKind {
    /// The word of the wire: `transport`, `timeout`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::Protocol => "protocol",
            Self::Rpc => "rpc",
            Self::Tool => "tool",
            Self::Denied => "denied",
            Self::Quota => "quota",
            Self::Invalid => "invalid",
            Self::Unsupported => "unsupported",
            Self::Host => "host",
            Self::Other => "other",
            Self::Verdict => "verdict",
        }
    }

    /// Whether the failure says something about the server (behaviour 6.6) and not about the probe or
    /// about mcpd (behaviour 6.8).
    pub fn is_conclusive(self) -> bool {
        !matches!(self, Self::Denied | Self::Quota | Self::Invalid | Self::Unsupported | Self::Host)
    }

    /// Whether a restart could mend it (behaviour 6.12).
    pub fn is_mendable(self) -> bool {
        matches!(self, Self::Transport | Self::Timeout | Self::Protocol)
    }
}

/// Why a check could not tell (behaviour 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inconclusive {
    /// No probe of that name is loaded.
    Missing,
    /// The component could not be compiled or loaded.
    LoadError,
    /// The component is made for another world or another version of the contract.
    ContractMismatch,
    /// The guest trapped.
    Trap,
    /// The guest used up its CPU time, or the wall clock while it computed.
    CpuLimit,
    /// The guest asked for more memory than it may have.
    MemoryLimit,
    /// The guest made more host calls than it may.
    CallLimit,
    /// The guest called `exit`.
    Exit,
    /// The check timed out while a client's call, within its own deadline, was in flight all the time.
    Busy,
    /// The runtime that the instance is in did not answer, so that a failure says nothing of the server.
    RuntimeUnreachable,
}

impl Inconclusive {
    /// The word of the wire: `trap`, `cpu-limit`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::LoadError => "load-error",
            Self::ContractMismatch => "contract-mismatch",
            Self::Trap => "trap",
            Self::CpuLimit => "cpu-limit",
            Self::MemoryLimit => "memory-limit",
            Self::CallLimit => "call-limit",
            Self::Exit => "exit",
            Self::Busy => "busy",
            Self::RuntimeUnreachable => "runtime-unreachable",
        }
    }
}

/// The outcome of one check, told apart as far as anybody acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It works.
    Pass,
    /// It works, with something to look at.
    Warn,
    /// The probe says that it does not work.
    Fail,
    /// The probe says that it could not tell.
    Unknown,
    /// A call failed and the probe handed the failure on, or the host ended the check.
    Failure(FailureKind),
    /// The probe could not be run to its end.
    Inconclusive(Inconclusive),
}

/// What a verdict means for health; the only four things the fold knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Counts as a success.
    Pass,
    /// Works, but degraded.
    Warn,
    /// Counts as a failure.
    Failure,
    /// Changes no count.
    Inconclusive,
}

impl Verdict {
    /// The word of the wire: `pass`, `warn`, `fail`, `unknown`, `failure`, `inconclusive`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Failure(_) => "failure",
            Self::Inconclusive(_) => "inconclusive",
        }
    }

    /// The kind of a failure, `verdict` for the probe's own `fail` (behaviour 6.6).
    pub fn failure_kind(self) -> Option<FailureKind> {
        match self {
            Self::Failure(kind) => Some(kind),
            Self::Fail => Some(FailureKind::Verdict),
            _ => None,
        }
    }

    /// What it means for health (behaviour 6.6 to 6.8).
    pub fn judgement(self) -> Judgement {
        match self {
            Self::Pass => Judgement::Pass,
            Self::Warn => Judgement::Warn,
            Self::Fail => Judgement::Failure,
            Self::Failure(kind) if kind.is_conclusive() => Judgement::Failure,
            Self::Failure(_) | Self::Unknown | Self::Inconclusive(_) => Judgement::Inconclusive,
        }
    }
}

/// One MCP call a check made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// The MCP method.
    pub method: String,
    /// The tool, for `tools/call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// From the moment the guest called to the moment it was answered.
    pub duration: Duration,
    /// `None` when the call succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<CallFailure>,
    /// Whether the host made it after the check, for `defer-call-tool`.
    #[serde(default)]
    pub deferred: bool,
}

/// How a call of a check failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallFailure {
    /// The kind that the guest was told.
    pub kind: FailureKind,
    /// The upstream's words, redacted.
    pub message: String,
}

impl CallRecord {
    /// Whether this call proves that the server works: a successful `tools/call`, `resources/read` or
    /// `prompts/get` (behaviour 2.4, Functional).
    pub fn proves_function(&self) -> bool {
        self.failure.is_none()
            && !self.deferred
            && matches!(self.method.as_str(), "tools/call" | "resources/read" | "prompts/get")
    }
}

/// A line of a check's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// `debug`, `info`, `warn` or `error`.
    pub level: LogLevel,
    /// One line, control characters removed.
    pub message: String,
}

/// The level of a line of a check's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the probe's author.
    Debug,
    /// For the record.
    Info,
    /// Worth a look.
    Warn,
    /// Went wrong.
    Error,
}

/// A named figure of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// `[a-z][a-z0-9_]{0,62}`.
    pub name: String,
    /// Finite.
    pub value: f64,
}

/// What one check found and all it did (behaviour 6.10).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckRecord {
    /// When the check began.
    pub at: Timestamp,
    /// From its begin to the verdict.
    pub duration: Duration,
    /// The outcome.
    pub verdict: Verdict,
    /// One line for a person; `ok` when a pass says nothing else.
    pub message: String,
    /// Open, stable, kebab-case word; may be empty.
    pub reason: String,
    /// Evidence, a JSON value as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
    /// Name of the probe.
    pub probe: String,
    /// `sha256:…` of the component; empty where none was found.
    pub digest: String,
    /// The check's log.
    #[serde(default)]
    pub logs: Vec<LogLine>,
    /// Its figures.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// Every MCP call in the order made.
    #[serde(default)]
    pub calls: Vec<CallRecord>,
    /// Whether a person asked for it.
    #[serde(default)]
    pub manual: bool,
    /// Whether the host ended the check, or made none: the verdict is then what the host itself saw.
    #[serde(default)]
    pub ended_by_host: bool,
}

impl CheckRecord {
    /// Whether at least one call of the check proves function.
    pub fn proves_function(&self) -> bool {
        self.calls.iter().any(CallRecord::proves_function)
    }

    /// Whether it failed in a way in which an engine that does not answer would make it fail too: the verdict, or
    /// a call behind it, was of kind transport or timeout.
    pub fn is_lost_on_the_way(&self) -> bool {
        let kinds = [FailureKind::Transport, FailureKind::Timeout];
        self.verdict.judgement() == Judgement::Failure
            && kinds.iter().any(|kind| {
                self.verdict == Verdict::Failure(*kind)
                    || self.calls.iter().any(|call| call.failed_with(*kind))
            })
    }

    /// Whether the failure is one that the host itself saw and that a restart could mend: the verdict's
    /// kind is mendable and a call of this very check failed with it, or the host ended the check
    /// (behaviour 6.12).
    pub fn is_host_seen_mendable(&self) -> bool {
        let Verdict::Failure(kind) = self.verdict else { return false };
        kind.is_mendable() && (self.ended_by_host || self.calls.iter().any(|call| call.failed_with(kind)))
    }
}

impl CallRecord {
    fn failed_with(&self, kind: FailureKind) -> bool {
        self.failure.as_ref().is_some_and(|failure| failure.kind == kind)
    }
}
