//! One page of the whole.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    /// Version of the daemon.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// How many servers there are, by what can be said of them.
    pub servers: ServerCounts,
    /// How many instances there are.
    pub instances: InstanceCounts,
    /// Store, runtimes and secret backends.
    pub parts: Vec<PartView>,
}

/// Servers; the last three add up to `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerCounts {
    /// All of them.
    pub total: u32,
    /// At least one replica is Ready.
    pub ready: u32,
    /// Of the ready ones, those whose function is proven.
    pub verified: u32,
    /// None is.
    pub not_ready: u32,
    /// None is wanted (`replicas: 0`).
    pub stopped: u32,
}

/// Instances by status, and running ones by health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceCounts {
    /// All of them.
    pub total: u32,
    /// STARTING.
    pub starting: u32,
    /// RUNNING.
    pub running: u32,
    /// STOPPING.
    pub stopping: u32,
    /// ERROR.
    pub error: u32,
    /// RUNNING and healthy.
    pub healthy: u32,
    /// RUNNING and degraded.
    pub degraded: u32,
    /// RUNNING and unhealthy.
    pub unhealthy: u32,
}

/// A part that mcpd depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartView {
    /// `store`, `runtime process`, `secret backend sealed`, …
    pub name: String,
    /// Whether it answers.
    pub state: PartState,
    /// Its words; may be empty.
    pub message: String,
    /// Since when it is in this state, where that is known.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// What to do next, where there is something to do.
    #[serde(default)]
    pub hint: Option<String>,
}

/// Whether a part answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartState {
    /// It does.
    Ok,
    /// It does not.
    Failing,
    /// Nothing has needed it yet, so nothing is known of it.
    Unneeded,
}

impl PartState {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::Unneeded => "unneeded",
        }
    }
}
