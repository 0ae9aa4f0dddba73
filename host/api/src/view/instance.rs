//! One instance as it was observed.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Event, LastCheck};

/// One replica of a server. What is not known is `null`, never left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    /// Six characters of `[a-z0-9]`.
    pub id: String,
    /// Id of the server; another server of the same name later has another.
    pub server_id: String,
    /// Name of the server.
    pub server: String,
    /// What the runtime was observed to say.
    pub status: InstanceStatus,
    /// The engine's id, for a container.
    pub container_id: Option<String>,
    /// The process, for a process of the host.
    pub pid: Option<u32>,
    /// The port it is reached on, for HTTP transports.
    pub port: Option<u16>,
    /// `None` before the first check ever.
    pub health_status: Option<HealthStatus>,
    /// Whether Functional is True.
    pub verified: bool,
    /// Whether Ready is True.
    pub ready: bool,
    /// When it was checked last.
    pub last_health_check: Option<Timestamp>,
    /// In the order of [`ConditionType`].
    pub conditions: Vec<Condition>,
    /// The last 50, oldest first.
    pub events: Vec<Event>,
    /// Retry state.
    pub metadata: RetryView,
    /// What the last check found.
    pub last_check: Option<LastCheck>,
    /// How many of its runs have ended and were, or will be, followed by another.
    pub restarts: u32,
    /// What it was started from, for a container.
    pub image: Option<String>,
    /// The MCP revision spoken, once connected.
    pub protocol_version: Option<String>,
    /// Counted up by every change.
    pub version: u64,
    /// When mcpd made it.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// What the runtime was observed to say (behaviour 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstanceStatus {
    /// An attempt is under way.
    Starting,
    /// The runtime reports it running.
    Running,
    /// It is being stopped.
    Stopping,
    /// An attempt failed, or it exited.
    Error,
}

/// What several verdicts add up to (behaviour 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// The checks pass.
    Healthy,
    /// It works with something to look at, or has begun to fail.
    Degraded,
    /// It fails.
    Unhealthy,
    /// Nobody can tell.
    Unknown,
}

/// One thing that is so, is not so, or is not known (behaviour 2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub condition: ConditionType,
    /// Whether it is so.
    pub status: ConditionStatus,
    /// One word in camel case, for programs.
    pub reason: String,
    /// One sentence for people; may be empty.
    pub message: String,
    /// When `status` changed last.
    pub last_transition_at: Timestamp,
}

/// The conditions there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// Every env entry of the last attempt had a value.
    SecretsResolved,
    /// The runtime reports it running.
    Running,
    /// The MCP connection is open and answered.
    Connected,
    /// A real call worked, and lately.
    Functional,
    /// Clients may use it.
    Ready,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody can tell.
    Unknown,
}

/// Retry state (behaviour 2.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetryView {
    /// Failed attempts in a row.
    pub attempt_count: u32,
    /// When the last one failed.
    pub last_attempt_at: Option<Timestamp>,
    /// When the next one is due.
    pub next_retry_at: Option<Timestamp>,
    /// Why the last one failed.
    pub error: Option<String>,
}

impl InstanceStatus {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::Stopping => "STOPPING",
            Self::Error => "ERROR",
        }
    }
}

impl HealthStatus {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

impl ConditionType {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretsResolved => "SecretsResolved",
            Self::Running => "Running",
            Self::Connected => "Connected",
            Self::Functional => "Functional",
            Self::Ready => "Ready",
        }
    }
}

impl ConditionStatus {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

macro_rules! display_as_str {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )*};
}

display_as_str!(InstanceStatus, HealthStatus, ConditionType, ConditionStatus);
