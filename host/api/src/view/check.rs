//! What a check found, in short and in full.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The outcome of a check in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It works.
    Pass,
    /// It works, with something to look at.
    Warn,
    /// The probe says that it does not work.
    Fail,
    /// The probe could not tell.
    Unknown,
    /// A call failed, or the host ended the check; `kind` says more.
    Failure,
    /// The probe could not be run to its end; `kind` says more.
    Inconclusive,
}

impl Verdict {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Failure => "failure",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Whether the server works: what `mcpctl check` answers by its exit code.
    pub fn is_passed(self) -> bool {
        matches!(self, Self::Pass | Self::Warn)
    }
}

/// The last check of an instance, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastCheck {
    /// The outcome.
    pub verdict: Verdict,
    /// One line for people; `ok` where a pass says nothing else.
    pub message: String,
    /// One word in kebab case, for programs; may be empty.
    pub reason: String,
    /// The failure kind, or why it was inconclusive.
    pub kind: Option<String>,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// Name of the probe.
    pub probe: String,
    /// The tool it called, where it called one: `healthCheck.tool` as it was then.
    #[serde(default)]
    pub tool: Option<String>,
}

/// One check in full (behaviour 6.10).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The outcome.
    pub verdict: Verdict,
    /// One line for people; `ok` where a pass says nothing else.
    pub message: String,
    /// One word in kebab case, for programs; may be empty.
    pub reason: String,
    /// The failure kind, or why it was inconclusive.
    pub kind: Option<String>,
    /// Evidence, as the probe gave it.
    pub details: Option<Value>,
    /// Name of the probe.
    pub probe: String,
    /// `sha256:…` of the component; `None` where none was found.
    pub digest: Option<String>,
    /// Whether a person asked for it.
    pub manual: bool,
    /// Every MCP call in the order made.
    pub calls: Vec<CallView>,
    /// The check's log.
    pub logs: Vec<LogView>,
    /// Its figures.
    pub measures: Vec<MeasureView>,
}

/// One MCP call of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallView {
    /// The MCP method.
    pub method: String,
    /// The tool, for `tools/call`.
    pub tool: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// `ok`, or the failure kind.
    pub outcome: String,
    /// The upstream's words, where it failed.
    pub message: Option<String>,
    /// Whether the host made it after the check, to clean up.
    #[serde(default)]
    pub deferred: bool,
}

/// A line of a check's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogView {
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// One line.
    pub message: String,
}

/// A named figure of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasureView {
    /// `[a-z][a-z0-9_]{0,62}`.
    pub name: String,
    /// Finite.
    pub value: f64,
}
