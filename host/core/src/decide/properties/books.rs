//! What the executor writes down about an instance by itself, to compare with what the instance says.

use std::time::Duration;

use jiff::Timestamp;

use super::simulation::Secret;
use crate::check::{Judgement, Verdict};
use crate::health::HealthStatus;
use crate::instance::{Instance, Secrets, Survival};
use crate::time::after;

/// The books of one instance.
#[derive(Clone, Debug)]
pub(super) struct Books {
    count: u32,
    exits: u32,
    not_before: Timestamp,
    was_ready: bool,
    is_proven: bool,
    started_with: Option<Secret>,
    restarts: u32,
    may_run: bool,
}

impl Books {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            count: 0,
            exits: 0,
            not_before: now,
            was_ready: false,
            is_proven: false,
            started_with: None,
            restarts: 0,
            may_run: false,
        }
    }

    pub(super) fn assert_due(&self, now: Timestamp) {
        assert!(self.not_before <= now, "attempted before its time: {self:?}");
    }

    pub(super) fn started(&mut self, secret: Secret) {
        (self.was_ready, self.is_proven, self.started_with) = (false, false, Some(secret));
    }

    /// Behaviour 5.8: it is the run of before.
    pub(super) fn adopted(&mut self) {
        assert!(self.may_run, "what never ran, or was seen to end, was taken over");
        (self.was_ready, self.is_proven, self.may_run) = (false, false, false);
    }

    /// Behaviour 5.7: what ended with mcpd, or unseen while it was away, is a restart.
    pub(super) fn interrupted(&mut self, survival: Survival, now: Timestamp) {
        self.may_start(now);
        match survival {
            Survival::Ends => self.restarts += 1,
            Survival::MayLive => self.may_run = true,
        }
    }

    pub(super) fn ended_if_left(&mut self) {
        self.restarts += u32::from(std::mem::take(&mut self.may_run));
    }

    /// It was ended, which is a failed attempt.
    pub(super) fn ended(&mut self, now: Timestamp) {
        self.restarts += 1;
        self.failed(now);
    }

    /// Behaviour 7.2: ended, and none.
    pub(super) fn refused(&mut self, now: Timestamp) {
        self.restarts += 1;
        self.may_start(now);
    }

    /// Behaviour 4.1 and 4.2 in other words than those of the code.
    pub(super) fn failed(&mut self, now: Timestamp) {
        self.count += 1;
        let delay = if self.count <= 5 { 30 } else { 300 };
        self.not_before = after(now, Duration::from_secs(delay));
    }

    /// Behaviour 4.5.
    pub(super) fn exited(&mut self, now: Timestamp) {
        self.exits += 1;
        self.ended(now);
        if self.was_ready && self.exits == 1 {
            (self.count, self.not_before) = (1, now);
        }
    }

    /// Behaviour 4.6: the count goes, a time to wait for stays.
    pub(super) fn forgiven(&mut self) {
        (self.count, self.exits) = (0, 0);
    }

    /// The launch fields changed, or mcpd was restarted while it ran.
    pub(super) fn may_start(&mut self, now: Timestamp) {
        self.not_before = now;
    }

    pub(super) fn checked(&mut self, verdict: Verdict) {
        self.is_proven |= matches!(verdict.judgement(), Judgement::Pass | Judgement::Warn);
    }

    pub(super) fn compare(&mut self, instance: &Instance) {
        assert_eq!(instance.attempts.count, self.count, "the count was lost: {instance:#?}");
        assert_eq!(instance.restarts, self.restarts, "a run was counted twice or not at all: {instance:#?}");
        if let Some(retry_at) = instance.next_retry_at() {
            assert!(retry_at >= self.not_before, "shorter than the schedule: {instance:#?}");
        }
        if instance.running().is_some() {
            assert!(matches!(self.started_with, Some(Secret::Value(_))), "started without its secret");
            assert_eq!(instance.secrets, Secrets::Resolved);
        } else {
            self.is_proven = false;
        }
        self.is_proven &= instance.health.status() != Some(HealthStatus::Unknown);
        let is_connected = instance.connected_since().is_some() && instance.sight_lost().is_none();
        let may_be_ready = self.is_proven && is_connected;
        assert!(may_be_ready || !instance.is_ready(), "Ready without proof: {instance:#?}");
        self.was_ready |= instance.is_ready();
    }
}
