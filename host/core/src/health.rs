//! What several verdicts add up to (behaviour 6.7 to 6.9).
//!
//! ```text
//!            failure < threshold        failure ≥ threshold
//!  healthy ───────────────────► degraded ───────────────────► unhealthy
//!     ▲  ▲──────────pass───────────┘  ▲───────warn──────────────┘  │
//!     └──────────────── successThreshold passes in a row ──────────┘
//!  any ── verdict expired, probe broken, instance not running ──► unknown
//! ```
//!
//! Three rules beyond the table, each because without it a sequence of verdicts would claim more than was
//! seen. Ill health is left by passes (or a warn) only, never by a failure that happens to be the first of
//! a new count. What becomes `unknown` has to be proven anew: an old pass does not make the next failure
//! merely `degraded` and still Ready. And a row of failures is ended by a pass or a warn, a new start or a
//! new check, never by `unknown`: the next failure goes on where the last one left off.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::check::{CheckRecord, Inconclusive, Judgement, Verdict};
use crate::event::EventDraft;
use crate::instance::RUNTIME_UNREACHABLE;
use crate::server::CheckPolicy;
use crate::time::{after, words};

/// `healthStatus` of an instance that was checked at least once (behaviour 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Works.
    Healthy,
    /// Works, but not well, or failed fewer times than the threshold.
    Degraded,
    /// Does not work.
    Unhealthy,
    /// Nobody knows.
    Unknown,
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

/// Whether the last conclusive check proved function (behaviour 2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// No conclusive check, or it expired.
    #[default]
    None,
    /// The last conclusive check failed.
    Failed,
    /// It passed, but called nothing that proves function.
    Unverified,
    /// It passed or warned, with a successful call.
    Verified,
}

/// Health of an instance; written by [`Health::fold`] and its siblings only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use = "a fold gives the next state, and the one before is gone"]
pub struct Health {
    status: Option<HealthStatus>,
    failures: u32,
    passes: u32,
    inconclusives: u32,
    mendable_failures: u32,
    proven: bool,
    proof: Proof,
    expires_at: Option<Timestamp>,
    reason: String,
    message: String,
}

/// Health after a check, and the one event the check may write (behaviour 2.6).
#[derive(Debug)]
pub struct Folded {
    /// The new health.
    pub health: Health,
    /// At most one event.
    pub event: Option<EventDraft>,
}

impl Health {
    /// `None` before the first check ever.
    pub fn status(&self) -> Option<HealthStatus> {
        self.status
    }

    /// At least one pass or warn since this start, and since health was last unknown.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether health allows Ready: proven, and healthy or degraded (behaviour 2.4).
    pub fn allows_ready(&self) -> bool {
        self.proven && matches!(self.status, Some(HealthStatus::Healthy | HealthStatus::Degraded))
    }

    /// What the last conclusive check proved.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// One CamelCase word for why health is what it is.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The words of the last verdict, or of what made it unknown.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// When the last conclusive verdict stops to count.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it is unhealthy by failures that the host saw itself and a restart could mend
    /// (behaviour 6.12).
    pub fn calls_for_restart(&self, threshold: u32) -> bool {
        self.status == Some(HealthStatus::Unhealthy) && self.mendable_failures >= threshold
    }

    /// Folds one check in (behaviour 6.7, 6.8). Pure: the same checks give the same health.
    pub fn fold(mut self, record: &CheckRecord, policy: &CheckPolicy, now: Timestamp) -> Folded {
        let judgement = record.verdict.judgement();
        if judgement == Judgement::Inconclusive {
            return self.fold_inconclusive(record, policy);
        }
        self.inconclusives = 0;
        self.expires_at = Some(after(now, policy.verdict_lifetime()));
        self.message.clone_from(&record.message);
        let event = match judgement {
            Judgement::Pass => self.pass(record, policy),
            Judgement::Warn => self.warn(record),
            Judgement::Failure | Judgement::Inconclusive => Some(self.fail(record, policy)),
        };
        Folded { health: self, event }
    }

    fn pass(&mut self, record: &CheckRecord, policy: &CheckPolicy) -> Option<EventDraft> {
        self.proof = Proof::of_success(record);
        self.passes = self.passes.saturating_add(1);
        self.mendable_failures = 0;
        let was = self.status;
        let is_ill = !matches!(was, Some(HealthStatus::Healthy | HealthStatus::Degraded));
        if is_ill && self.passes < policy.success_threshold {
            self.status = Some(was.unwrap_or(HealthStatus::Unknown));
            "Recovering".clone_into(&mut self.reason);
            return None;
        }
        self.failures = 0;
        self.proven = true;
        self.status = Some(HealthStatus::Healthy);
        "CheckPassed".clone_into(&mut self.reason);
        (was != self.status).then(|| EventDraft::normal("HealthCheckPassed", "Health check passed"))
    }

    fn warn(&mut self, record: &CheckRecord) -> Option<EventDraft> {
        self.proof = Proof::of_success(record);
        self.passes = self.passes.saturating_add(1);
        self.failures = 0;
        self.mendable_failures = 0;
        self.proven = true;
        self.status = Some(HealthStatus::Degraded);
        "CheckWarned".clone_into(&mut self.reason);
        None
    }

    fn fail(&mut self, record: &CheckRecord, policy: &CheckPolicy) -> EventDraft {
        self.proof = Proof::Failed;
        self.passes = 0;
        self.failures = self.failures.saturating_add(1);
        self.mendable_failures =
            if record.is_host_seen_mendable() { self.mendable_failures.saturating_add(1) } else { 0 };
        let stays_ill = self.status == Some(HealthStatus::Unhealthy);
        let status = if stays_ill || self.failures >= policy.failure_threshold {
            HealthStatus::Unhealthy
        } else {
            HealthStatus::Degraded
        };
        self.status = Some(status);
        "CheckFailed".clone_into(&mut self.reason);
        EventDraft::warning("HealthCheckFailed", format!("Health check failed: {}", record.message))
    }

    fn fold_inconclusive(mut self, record: &CheckRecord, policy: &CheckPolicy) -> Folded {
        self.inconclusives = self.inconclusives.saturating_add(1);
        if self.status.is_none() || self.inconclusives >= policy.failure_threshold {
            let reason = match record.verdict {
                Verdict::Inconclusive(Inconclusive::Busy) => "Busy",
                Verdict::Inconclusive(Inconclusive::RuntimeUnreachable) => RUNTIME_UNREACHABLE,
                _ => "ProbeError",
            };
            self = self.unknown(reason, record.message.clone());
        }
        let message = format!("Health check inconclusive: {}", record.message);
        Folded { health: self, event: Some(EventDraft::warning("HealthCheckInconclusive", message)) }
    }

    /// What is due when nothing conclusive came for too long (behaviour 6.9).
    pub fn expire(self, now: Timestamp, lifetime: Duration) -> Self {
        match self.expires_at {
            Some(at) if at <= now => {
                let message = format!("nothing conclusive for {}", words(lifetime));
                self.unknown("Expired", message)
            }
            _ => self,
        }
    }

    /// The instance left RUNNING, or mcpd did (behaviour 2.3, 6.9): unknown until proven again.
    pub fn left_running(self, message: impl Into<String>) -> Self {
        self.forgotten("NotRunning", message.into())
    }

    /// The health check was changed (behaviour 5.4): what another check found says nothing about this one.
    pub fn check_changed(self) -> Self {
        self.forgotten("CheckChanged", "the health check was changed".to_owned())
    }

    /// Unknown, with all counts dropped: what was counted was another process, or another check.
    fn forgotten(self, reason: &str, message: String) -> Self {
        match self.status {
            None => Self::default(),
            Some(_) => Self::default().unknown(reason, message),
        }
    }

    /// Unknown, to be proven anew. Failures in a row stay counted: not knowing mends nothing, so the next
    /// failure goes on where the last one left off.
    fn unknown(self, reason: &str, message: String) -> Self {
        Self {
            status: Some(HealthStatus::Unknown),
            passes: 0,
            proven: false,
            proof: Proof::None,
            expires_at: None,
            reason: reason.to_owned(),
            message,
            ..self
        }
    }
}

impl Proof {
    fn of_success(record: &CheckRecord) -> Self {
        if record.proves_function() { Self::Verified } else { Self::Unverified }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;
