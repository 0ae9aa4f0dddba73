//! What the executor writes down about an instance by itself, to compare with what the instance says.

use std::time::Duration;

use jiff::Timestamp;

use super::simulation::Secret;
use crate::check::{Judgement, Verdict};
use crate::health::HealthStatus;
use crate::instance::{Instance, Secrets};
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
}

impl Books {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { count: 0, exits: 0, not_before: now, was_ready: false, is_proven: false, started_with: None }
    }

    pub(super) fn assert_due(&self, now: Timestamp) {
        assert!(self.not_before <= now, "attempted before its time: {self:?}");
    }

    pub(super) fn started(&mut self, secret: Secret) {
        (self.was_ready, self.is_proven, self.started_with) = (false, false, Some(secret));
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
        self.failed(now);
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
        let may_be_ready = self.is_proven && instance.connected_since().is_some();
        assert!(may_be_ready || !instance.is_ready(), "Ready without proof: {instance:#?}");
        self.was_ready |= instance.is_ready();
    }
}
