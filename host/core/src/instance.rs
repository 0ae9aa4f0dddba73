//! One replica of a server: its phases, and the transitions between them.
//!
//! ```text
//!             started                     exited, or ended as unhealthy
//!  Starting ───────────► Running ──────────────────────────────► Failed
//!     ▲  └── attempt failed ─────────────────────────────────────► │
//!     └──────────────────────────── retry_at has passed ────────────┘
//!  any ── not wanted any more ──► Stopping ──► gone
//! ```
//!
//! Transitions consume the instance and give the next one. They are called by the driver with what it
//! observed; nothing here hopes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::backoff::{Chance, Schedule};
use crate::conditions::Conditions;
use crate::env::EnvError;
use crate::event::{EventDraft, EventLog};
use crate::health::Health;
use crate::name::{InstanceId, ServerName};
use crate::server::Revision;
use crate::time::after;

/// One replica.
#[derive(Clone, Debug, PartialEq)]
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
    /// How often it was started again after it had run.
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
    /// Since when.
    pub since: Timestamp,
    /// The one MCP connection.
    pub link: Link,
    /// Whether it has been Ready since this start (behaviour 4.5).
    pub was_ready: bool,
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
}

impl AttemptReason {
    /// The word of conditions, events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretsUnresolved => "SecretsUnresolved",
            Self::StartFailed => "StartFailed",
            Self::Exited => "Exited",
            Self::CrashLoop => "CrashLoop",
            Self::Unhealthy => "Unhealthy",
        }
    }
}

/// Start attempts since the count was last reset (behaviour 4).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// Failed ones.
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

/// How a process or container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It ended by itself, or the engine gives 128 + signal.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It is not there any more, and nobody saw it end.
    Vanished,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "exited with code {} (signal {signal})", 128 + signal),
            Self::Vanished => f.write_str("disappeared"),
        }
    }
}

/// Time, schedule and chance of a transition that may set a retry time.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Now.
    pub now: Timestamp,
    /// The backoff in force.
    pub schedule: &'a Schedule,
    /// For the jitter.
    pub chance: Chance,
}

/// Whether a wake forgets the attempts made so far (behaviour 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A backend recovered: wake, keep the count.
    Keep,
    /// Launch fields or a secret in use changed: start anew.
    Reset,
}

impl Instance {
    /// A fresh one, with its first attempt due.
    pub fn new(id: InstanceId, server: ServerName, revision: Revision, now: Timestamp) -> Self {
        let mut instance = Self {
            id,
            server,
            created_at: now,
            revision,
            phase: Phase::Starting,
            attempts: Attempts::default(),
            restarts: 0,
            secrets: Secrets::Unknown,
            health: Health::default(),
            conditions: Conditions::new(now),
            events: EventLog::default(),
        };
        instance.events.push(EventDraft::normal("Created", "Instance created"), now);
        instance
    }

    /// An attempt begins, for this revision.
    pub fn begin_attempt(mut self, revision: Revision, now: Timestamp) -> Self {
        self.phase = Phase::Starting;
        self.revision = revision;
        self.settle(now)
    }

    /// The env of the attempt under way is complete.
    pub fn secrets_resolved(mut self, now: Timestamp) -> Self {
        self.secrets = Secrets::Resolved;
        self.settle(now)
    }

    /// A variable had no value: nothing was started (behaviour 3.2).
    pub fn secrets_missing(mut self, error: &EnvError, moment: Moment<'_>) -> Self {
        let message = error.to_string();
        self.secrets = Secrets::Missing(message.clone());
        self.events.push(EventDraft::warning("SecretsUnresolved", message.clone()), moment.now);
        self.failed(AttemptError { reason: AttemptReason::SecretsUnresolved, message }, moment)
    }

    /// The runtime could not start it, in the runtime's own words (behaviour 4.7).
    pub fn start_failed(mut self, message: String, moment: Moment<'_>) -> Self {
        self.events.push(EventDraft::warning("StartFailed", message.clone()), moment.now);
        self.failed(AttemptError { reason: AttemptReason::StartFailed, message }, moment)
    }

    /// The runtime reports it running: `error` and `nextRetryAt` are cleared (behaviour 2.5).
    pub fn started(mut self, now: Timestamp) -> Self {
        self.phase = Phase::Running(Running { since: now, link: Link::Opening, was_ready: false });
        self.events.push(EventDraft::normal("Started", "Instance started"), now);
        self.settle(now)
    }

    /// The connection is open and the server has answered.
    pub fn connected(mut self, protocol_version: String, now: Timestamp) -> Self {
        if let Phase::Running(running) = &mut self.phase {
            let message = format!("Connected, MCP {protocol_version}");
            running.link = Link::Open { since: now, protocol_version };
            self.events.push(EventDraft::normal("Connected", message), now);
        }
        self.settle(now)
    }

    /// The connection broke or could not be opened, while the instance runs.
    pub fn disconnected(mut self, error: String, now: Timestamp) -> Self {
        if let Phase::Running(running) = &mut self.phase {
            self.events.push(EventDraft::warning("ConnectionFailed", error.clone()), now);
            running.link = Link::Broken { since: now, error };
        }
        self.settle(now)
    }

    /// It ended by itself: a failed attempt of its own (behaviour 4.5). The first exit of an instance that
    /// had been Ready is tried again at once.
    pub fn exited(mut self, exit: Exit, stderr_tail: &str, moment: Moment<'_>) -> Self {
        if let Phase::Stopping(_) = self.phase {
            return self;
        }
        let was_ready = matches!(&self.phase, Phase::Running(running) if running.was_ready);
        let tail = stderr_tail.trim();
        let words = if tail.is_empty() { exit.to_string() } else { format!("{exit}: {tail}") };
        self.events.push(EventDraft::warning("Exited", words), moment.now);
        self.attempts.exits = self.attempts.exits.saturating_add(1);
        let is_first = self.attempts.count == 0;
        let reason = if self.attempts.exits > 1 { AttemptReason::CrashLoop } else { AttemptReason::Exited };
        let mut failed = self.failed(AttemptError { reason, message: exit.to_string() }, moment);
        if let Phase::Failed(state) = &mut failed.phase
            && was_ready
            && is_first
        {
            state.retry_at = moment.now;
        }
        failed
    }

    /// It is to be stopped.
    pub fn stopping(mut self, then: AfterStop, why: &str, now: Timestamp) -> Self {
        if let Phase::Stopping(stopping) = &mut self.phase {
            if then == AfterStop::Remove {
                stopping.then = then;
            }
            return self;
        }
        self.events.push(EventDraft::normal("Stopping", format!("Stopping: {why}")), now);
        self.phase = Phase::Stopping(Stopping { since: now, then, retry_at: now, error: None });
        self.settle(now)
    }

    /// The runtime could not stop it: nothing is started in its place (behaviour 5.3).
    pub fn stop_failed(mut self, message: String, moment: Moment<'_>) -> Self {
        if let Phase::Stopping(stopping) = &mut self.phase {
            stopping.retry_at = after(moment.now, moment.schedule.delay(1, moment.chance));
            stopping.error = Some(message.clone());
            self.events.push(EventDraft::warning("StopFailed", message), moment.now);
        }
        self.settle(moment.now)
    }

    /// It is proved gone; `None` when its row is to go too.
    pub fn gone(self, moment: Moment<'_>) -> Option<Self> {
        match self.phase.clone() {
            Phase::Stopping(Stopping { then: AfterStop::Remove, .. }) => None,
            Phase::Stopping(Stopping { then: AfterStop::Fail(error), .. }) => {
                Some(self.failed(error, moment))
            }
            _ => Some(self),
        }
    }

    /// Its next attempt is due at `at` instead of later (behaviour 3.7).
    pub fn woken(mut self, at: Timestamp, count: Count, now: Timestamp) -> Self {
        if count == Count::Reset {
            self.attempts = Attempts { last_at: self.attempts.last_at, ..Attempts::default() };
        }
        if let Phase::Failed(failed) = &mut self.phase {
            failed.retry_at = failed.retry_at.min(at);
        }
        self.settle(now)
    }

    /// It has run and been connected for long enough (behaviour 4.6).
    pub fn count_reset(mut self, now: Timestamp) -> Self {
        self.attempts = Attempts { last_at: self.attempts.last_at, ..Attempts::default() };
        self.settle(now)
    }

    /// mcpd itself ended while this instance lived (behaviour 5.7, 4.8): no failed attempt, an attempt is
    /// due at once, and health is unknown until proven again.
    pub fn interrupted(mut self, schedule: &Schedule, now: Timestamp) -> Self {
        self.health = self.health.left_running("mcpd was restarted");
        match &mut self.phase {
            Phase::Failed(failed) => failed.retry_at = schedule.cut(failed.retry_at, now),
            Phase::Stopping(Stopping { then: AfterStop::Remove, retry_at, .. }) => *retry_at = now,
            Phase::Running(_) => {
                self.events.push(EventDraft::normal("Interrupted", "mcpd was restarted"), now);
                self.restarts = self.restarts.saturating_add(1);
                self.phase = Phase::Starting;
            }
            Phase::Starting | Phase::Stopping(_) => self.phase = Phase::Starting,
        }
        self.settle(now)
    }

    /// Health after a check or an expiry; the only way health is written.
    pub fn with_health(mut self, health: Health, event: Option<EventDraft>, now: Timestamp) -> Self {
        self.health = health;
        if let Some(event) = event {
            self.events.push(event, now);
        }
        self.settle(now)
    }

    fn failed(mut self, error: AttemptError, moment: Moment<'_>) -> Self {
        if matches!(self.phase, Phase::Running(_) | Phase::Stopping(_)) {
            self.restarts = self.restarts.saturating_add(1);
        }
        self.attempts.count = self.attempts.count.saturating_add(1);
        self.attempts.last_at = Some(moment.now);
        let delay = moment.schedule.delay(self.attempts.count, moment.chance);
        self.phase = Phase::Failed(Failed { error, retry_at: after(moment.now, delay) });
        self.settle(moment.now)
    }

    /// Draws the consequences of a transition: health outside RUNNING, conditions, having been Ready.
    fn settle(mut self, now: Timestamp) -> Self {
        if !matches!(self.phase, Phase::Running(_)) {
            self.health = self.health.left_running("the instance is not running");
        }
        let conditions = std::mem::take(&mut self.conditions);
        self.conditions = conditions.refreshed(&self, now);
        let is_ready = self.conditions.is_ready();
        if let Phase::Running(running) = &mut self.phase {
            running.was_ready |= is_ready;
        }
        self
    }
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

    /// Why its last attempt failed, while it waits for the next.
    pub fn error(&self) -> Option<&AttemptError> {
        match &self.phase {
            Phase::Failed(failed) => Some(&failed.error),
            _ => None,
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
