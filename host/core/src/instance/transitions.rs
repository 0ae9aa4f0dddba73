//! How an instance goes from one phase to the next.
//!
//! Transitions consume the instance and give the next one. They are called by the driver with what it
//! observed; nothing here hopes. An observation that comes late (an attempt that ends after the instance
//! was told to stop, an exit that is reported twice) changes nothing.

use jiff::Timestamp;

use super::{
    AfterStop, AttemptError, AttemptReason, Attempts, Exit, Failed, Instance, Link, Phase, Running, Secrets,
    Sight, Stopping,
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
            left_running: false,
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
    pub fn start_failed(self, message: String, moment: Moment<'_>) -> Self {
        self.attempt_failed(AttemptReason::StartFailed, message, moment)
    }

    /// The runtime does not answer, in the words of what failed (behaviour 4.7); tried again at once when it does.
    pub fn runtime_unreachable(self, message: String, moment: Moment<'_>) -> Self {
        self.attempt_failed(AttemptReason::RuntimeUnreachable, message, moment)
    }

    fn attempt_failed(mut self, reason: AttemptReason, message: String, moment: Moment<'_>) -> Self {
        if self.is_stopping() {
            return self;
        }
        let message = bounded(message);
        self.events.push(EventDraft::warning(reason.as_str(), message.clone()), moment.now);
        self.failed(AttemptError { reason, message }, moment)
    }

    /// The runtime reports it running: `error` and `nextRetryAt` are cleared (behaviour 2.5).
    pub fn started(self, now: Timestamp) -> Self {
        self.runs(EventDraft::normal("Started", "Instance started"), now)
    }

    pub(super) fn runs(mut self, event: EventDraft, now: Timestamp) -> Self {
        if self.is_stopping() {
            return self;
        }
        (self.last_error, self.left_running) = (None, false);
        let (link, sight) = (Link::Opening, Sight::Seen);
        self.phase = Phase::Running(Running { since: now, link, was_ready: false, sight });
        self.events.push(event, now);
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
        let error = bounded(error);
        if self.running().is_some() {
            self.events.push(EventDraft::warning("ConnectionFailed", error.clone()), now);
        }
        self.cut_off(error, now)
    }

    /// The same, where it may be the end of the instance too: the event is left to what turns out, so that an
    /// ordinary exit is told once.
    pub fn cut_off(mut self, error: String, now: Timestamp) -> Self {
        if let Phase::Running(running) = &mut self.phase {
            running.link = Link::Broken { since: now, error: bounded(error) };
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
            AfterStop::Again(words) => AfterStop::Again(bounded(words)),
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
    pub fn gone(mut self, moment: Moment<'_>) -> Option<Self> {
        let Phase::Stopping(stopping) = &self.phase else { return Some(self) };
        let then = stopping.then.clone();
        self.left_running = false;
        match then {
            AfterStop::Remove => None,
            AfterStop::Fail(error) => Some(self.failed(error, moment)),
            AfterStop::Again(_) => {
                self.restarts = self.restarts.saturating_add(1);
                self.phase = Phase::Starting;
                Some(self.settle(moment.now))
            }
        }
    }

    /// Its next attempt, or the next try of a stop that failed, is due at `at` instead of later (behaviour 3.7).
    pub fn woken(mut self, at: Timestamp, count: Count, now: Timestamp) -> Self {
        if count == Count::Reset {
            self.last_error = None;
            self.attempts = Attempts { last_at: self.attempts.last_at, ..Attempts::default() };
        }
        match &mut self.phase {
            Phase::Failed(failed) => failed.retry_at = failed.retry_at.min(at),
            Phase::Stopping(stopping) => stopping.retry_at = stopping.retry_at.min(at),
            Phase::Starting | Phase::Running(_) => {}
        }
        self.settle(now)
    }

    /// It has run and been connected for long enough (behaviour 4.6).
    pub fn count_reset(mut self, now: Timestamp) -> Self {
        self.attempts = Attempts { last_at: self.attempts.last_at, ..Attempts::default() };
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
    pub(super) fn settle(mut self, now: Timestamp) -> Self {
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

pub(super) fn words_of_exit(exit: Exit, stderr_tail: &str) -> String {
    let stderr = stderr_tail.trim();
    let start = stderr.ceil_char_boundary(stderr.len().saturating_sub(STDERR_TAIL_BYTES_MAX));
    if stderr.is_empty() { exit.to_string() } else { format!("{exit}: {}", &stderr[start..]) }
}
