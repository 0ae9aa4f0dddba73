//! One replica of a server: its phases, and the transitions between them.
//!
//! ```text
//!             started                                 exited
//!  Starting ───────────► Running ──────────────────────────────► Failed
//!     ▲  └── attempt failed ─────────────────────────────────────► │
//!     └──────────────────────────── retry_at has passed ────────────┘
//!  Running ── unhealthy, to be restarted ──► Stopping ──► Failed
//!  Running ── mcpd ended ──► Starting ── it runs still ── adopted ──► Running
//!  Running ── cannot be spoken to a second time ──► Stopping ──► Starting
//!  any ── not wanted any more ──► Stopping ──► gone
//! ```
//!
//! The transitions are in files of their own; here is what an instance is, and what can be asked of it.

mod away;
mod exit;
mod pull;
mod transitions;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::away::Survival;
pub use self::exit::Exit;
pub use self::transitions::{Count, Moment};
use crate::conditions::Conditions;
use crate::event::EventLog;
use crate::health::Health;
use crate::name::{InstanceId, ServerName};
use crate::server::Revision;

/// One replica.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a transition gives the next state, and the one before is gone"]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// The server it is a replica of.
    pub server: ServerName,
    /// When it was made.
    pub created_at: Timestamp,
    /// What its last attempt was started with, or the next one is to be.
    pub revision: Revision,
    /// Where it is in its life.
    pub phase: Phase,
    /// Start attempts (behaviour 2.5).
    pub attempts: Attempts,
    /// While STARTING: why the attempt before this one failed, until a start succeeds (behaviour 2.5).
    pub last_error: Option<AttemptError>,
    /// While STARTING, STOPPING or in ERROR: it ran when mcpd ended, and may run still (behaviour 5.8).
    pub left_running: bool,
    /// How many of its runs have ended and were, or will be, followed by another.
    pub restarts: u32,
    /// Whether the secrets of the last attempt could be resolved.
    pub secrets: Secrets,
    /// What checks found.
    pub health: Health,
    /// The five conditions, with the time of their last change.
    pub conditions: Conditions,
    /// The last 50 events.
    pub events: EventLog,
}

/// Where an instance is in its life; each phase owns what is true in it only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// An attempt is due or under way.
    Starting,
    /// The runtime reports it running.
    Running(Running),
    /// It is being stopped.
    Stopping(Stopping),
    /// A failed attempt; the next one is at `retry_at`.
    Failed(Failed),
}

/// What is true while the runtime reports an instance running.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Since when this mcpd knows it to run.
    pub since: Timestamp,
    /// The one MCP connection.
    pub link: Link,
    /// Whether it has been Ready since this start (behaviour 4.5).
    pub was_ready: bool,
    /// Whether the runtime can still be asked about it.
    #[serde(default)]
    pub sight: Sight,
}

/// Whether what is said of a running instance can be known: a container runs on while its engine is away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sight {
    /// The runtime answers.
    #[default]
    Seen,
    /// It does not, and nothing true can be said until it does again.
    Lost {
        /// Since when.
        since: Timestamp,
        /// In whose words.
        reason: String,
    },
}

/// The one MCP connection of a running instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Link {
    /// Not open yet.
    Opening,
    /// Open, and the server answered `initialize` or `server/discover`.
    Open {
        /// Since when.
        since: Timestamp,
        /// The revision spoken.
        protocol_version: String,
    },
    /// Broken, or it could not be opened.
    Broken {
        /// Since when.
        since: Timestamp,
        /// In whose words.
        error: String,
    },
}

/// An instance on its way out of the runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stopping {
    /// Since when.
    pub since: Timestamp,
    /// What happens once it is proved gone.
    pub then: AfterStop,
    /// When a stop that failed is tried again.
    pub retry_at: Timestamp,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// What happens once an instance is proved gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AfterStop {
    /// Its row goes too.
    Remove,
    /// It counts as a failed attempt and is tried again on the schedule.
    Fail(AttemptError),
    /// It is attempted again at once, and that is no failed attempt; why it had to end.
    Again(String),
}

/// A failed attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// Why, in full.
    pub error: AttemptError,
    /// When the next attempt is due.
    pub retry_at: Timestamp,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptError {
    /// For programs.
    pub reason: AttemptReason,
    /// For people; the `error` of the views.
    pub message: String,
}

/// What kind of failed attempt it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttemptReason {
    /// A secret had no value; nothing was started.
    SecretsUnresolved,
    /// The runtime could not start it.
    StartFailed,
    /// It ran and ended.
    Exited,
    /// It ended again and again.
    CrashLoop,
    /// It ran, but was ended because only a new start could mend it.
    Unhealthy,
    /// The runtime does not answer.
    RuntimeUnreachable,
}

/// The one word for a runtime that does not answer, wherever it is the reason of something.
pub const RUNTIME_UNREACHABLE: &str = "RuntimeUnreachable";

impl AttemptReason {
    /// The word of conditions, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretsUnresolved => "SecretsUnresolved",
            Self::StartFailed => "StartFailed",
            Self::Exited => "Exited",
            Self::CrashLoop => "CrashLoop",
            Self::Unhealthy => "Unhealthy",
            Self::RuntimeUnreachable => RUNTIME_UNREACHABLE,
        }
    }
}

/// Start attempts since the count was last reset (behaviour 4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// Failed ones; `attemptCount` of the views.
    pub count: u32,
    /// Of these, how many were exits.
    pub exits: u32,
    /// When the last one failed.
    pub last_at: Option<Timestamp>,
}

/// Whether the env of the last attempt was complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Secrets {
    /// No attempt yet.
    #[default]
    Unknown,
    /// Every entry had a value.
    Resolved,
    /// Some had none.
    Missing(String),
}

impl Instance {
    /// `status` of the views.
    pub fn status(&self) -> &'static str {
        match self.phase {
            Phase::Starting => "STARTING",
            Phase::Running(_) => "RUNNING",
            Phase::Stopping(_) => "STOPPING",
            Phase::Failed(_) => "ERROR",
        }
    }

    /// The run, while it is RUNNING.
    pub fn running(&self) -> Option<&Running> {
        match &self.phase {
            Phase::Running(running) => Some(running),
            _ => None,
        }
    }

    /// Why nothing true can be said of its run, while its runtime does not answer.
    pub fn sight_lost(&self) -> Option<&str> {
        match &self.running()?.sight {
            Sight::Lost { reason, .. } => Some(reason),
            Sight::Seen => None,
        }
    }

    /// Since when it is Connected, if it is.
    pub fn connected_since(&self) -> Option<Timestamp> {
        match self.running()?.link {
            Link::Open { since, .. } => Some(since),
            _ => None,
        }
    }

    /// The revision of MCP that is spoken with it.
    pub fn protocol_version(&self) -> Option<&str> {
        match &self.running()?.link {
            Link::Open { protocol_version, .. } => Some(protocol_version),
            _ => None,
        }
    }

    /// Why its last attempt failed, until a start succeeds.
    pub fn error(&self) -> Option<&AttemptError> {
        match &self.phase {
            Phase::Failed(failed) => Some(&failed.error),
            Phase::Stopping(Stopping { then: AfterStop::Fail(error), .. }) => Some(error),
            Phase::Starting => self.last_error.as_ref(),
            Phase::Running(_) | Phase::Stopping(_) => None,
        }
    }

    /// When it is attempted again, while it waits.
    pub fn next_retry_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Failed(failed) => Some(failed.retry_at),
            _ => None,
        }
    }

    /// Whether it is Ready (behaviour 2.4).
    pub fn is_ready(&self) -> bool {
        self.conditions.is_ready()
    }
}

#[cfg(test)]
mod away_scenarios;
#[cfg(test)]
mod scenarios;
