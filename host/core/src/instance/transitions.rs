//! How an instance goes from one phase to the next.
//!
//! Transitions consume the instance and give the next one. They are called by the driver with what it
//! observed; nothing here hopes. An observation that comes late (an attempt that ends after the instance
//! was told to stop, an exit that is reported twice) changes nothing.

use jiff::Timestamp;

use super::{
    AfterStop, AttemptError, AttemptReason, Attempts, Exit, Failed, Instance, Link, Phase, Running, Secrets,
    Stopping,
};
use crate::backoff::{Chance, Schedule};
use crate::conditions::Conditions;
use crate::env::EnvError;
use crate::event::{EventDraft, EventLog, bounded};
use crate::health::Health;
use crate::name::{InstanceId, ServerName};
use crate::server::Revision;
use crate::time::after;

/// A stop that failed is tried again after the first delay of the schedule, for ever: until it succeeds
/// nothing takes its place, so it must not slow down.
const FIRST_DELAY: u32 = 1;

/// How much of the end of stderr the event of an exit holds: enough for the last words, too little to push
/// the other events off the screen.
const STDERR_TAIL_BYTES_MAX: usize = 2048;

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
            last_error: None,
            restarts: 0,
            secrets: Secrets::Unknown,
            health: Health::default(),
            conditions: Conditions::new(now),
            events: EventLog::default(),
        };
        instance.events.push(EventDraft::normal("Created", "Instance created"), now);
        instance
    }

    /// An attempt begins, for this revision. The error of the one before stays, unless a change made it a
    /// thing of the past.
    pub fn begin_attempt(mut self, revision: Revision, now: Timestamp) -> Self {
        if self.is_stopping() {
            return self;
        }
        if let Phase::Failed(failed) = self.phase {
            self.last_error = (self.attempts.count > 0).then_some(failed.error);
        }
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
        if self.is_stopping() {
            return self;
        }
        let message = error.to_string();
        self.secrets = Secrets::Missing(message.clone());
        self.events.push(EventDraft::warning("SecretsUnresolved", message.clone()), moment.now);
        self.failed(AttemptError { reason: AttemptReason::SecretsUnresolved, message }, moment)
    }

    /// The runtime could not start it, in the runtime's own words (behaviour 4.7).
    pub fn start_failed(mut self, message: String, moment: Moment<'_>) -> Self {
        if self.is_stopping() {
            return self;
        }
        let message = bounded(message);
        self.events.push(EventDraft::warning("StartFailed", message.clone()), moment.now);
        self.failed(AttemptError { reason: AttemptReason::StartFailed, message }, moment)
    }

    /// The runtime reports it running: `error` and `nextRetryAt` are cleared (behaviour 2.5).
    pub fn started(mut self, now: Timestamp) -> Self {
        if self.is_stopping() {
            return self;
        }
        self.last_error = None;
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
            let error = bounded(error);
            self.events.push(EventDraft::warning("ConnectionFailed", error.clone()), now);
            running.link = Link::Broken { since: now, error };
        }
        self.settle(now)
    }

    /// It ended by itself: a failed attempt of its own. The first exit since the count was last reset, of an
    /// instance that was Ready, sets the count to 1 and is tried again at once (behaviour 4.5).
    pub fn exited(mut self, exit: Exit, stderr_tail: &str, moment: Moment<'_>) -> Self {
        let was_ready = match &self.phase {
            Phase::Running(running) => running.was_ready,
            Phase::Starting => false,
            Phase::Stopping(_) | Phase::Failed(_) => return self,
        };
        self.events.push(EventDraft::warning("Exited", words_of_exit(exit, stderr_tail)), moment.now);
        let is_first = self.attempts.exits == 0;
        let is_excused = is_first && was_ready;
        if is_excused {
            self.attempts.count = 0;
        }
        self.attempts.exits = self.attempts.exits.saturating_add(1);
        let reason = if is_first { AttemptReason::Exited } else { AttemptReason::CrashLoop };
        let failed = self.failed(AttemptError { reason, message: exit.to_string() }, moment);
        if is_excused { failed.woken(moment.now, Count::Keep, moment.now) } else { failed }
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
        self.last_error = None;
        let then = match then {
            AfterStop::Fail(AttemptError { reason, message }) => {
                AfterStop::Fail(AttemptError { reason, message: bounded(message) })
            }
            AfterStop::Remove => AfterStop::Remove,
        };
        self.phase = Phase::Stopping(Stopping { since: now, then, retry_at: now, error: None });
        self.settle(now)
    }

    /// The runtime could not stop it: nothing is started in its place (behaviour 5.3).
    pub fn stop_failed(mut self, message: String, moment: Moment<'_>) -> Self {
        if let Phase::Stopping(stopping) = &mut self.phase {
            let message = bounded(message);
            stopping.retry_at = after(moment.now, moment.schedule.delay(FIRST_DELAY, moment.chance));
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
            self.last_error = None;
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

    /// mcpd itself ended while this instance lived: no failed attempt, and an attempt is due at once
    /// (behaviour 5.7). A retry time is cut to the longest delay (4.8), and a stop under way goes on.
    pub fn interrupted(mut self, schedule: &Schedule, now: Timestamp) -> Self {
        match &mut self.phase {
            Phase::Starting => {}
            Phase::Failed(failed) => failed.retry_at = schedule.cut(failed.retry_at, now),
            Phase::Stopping(stopping) => stopping.retry_at = now,
            Phase::Running(_) => {
                self.events.push(EventDraft::normal("Interrupted", "mcpd was restarted"), now);
                self.restarts = self.restarts.saturating_add(1);
                self.phase = Phase::Starting;
            }
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
        self.last_error = None;
        self.phase = Phase::Failed(Failed { error, retry_at: after(moment.now, delay) });
        self.settle(moment.now)
    }

    fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping(_))
    }

    /// Draws the consequences of a transition: health outside RUNNING, conditions, having been Ready.
    fn settle(mut self, now: Timestamp) -> Self {
        if !matches!(self.phase, Phase::Running(_)) {
            self.health = self.health.left_running("no check since it stopped running");
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

fn words_of_exit(exit: Exit, stderr_tail: &str) -> String {
    let stderr = stderr_tail.trim();
    let start = stderr.ceil_char_boundary(stderr.len().saturating_sub(STDERR_TAIL_BYTES_MAX));
    if stderr.is_empty() { exit.to_string() } else { format!("{exit}: {}", &stderr[start..]) }
}
