//! Desired state, as far as decisions need it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::ServerName;

/// A server as `decide` sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Its name.
    pub name: ServerName,
    /// Whether it is to be there at all.
    pub wish: Wish,
    /// How many instances there are to be; 0 to 10.
    pub replicas: usize,
    /// What its instances are to be started with.
    pub revision: Revision,
    /// How changed launch fields are rolled out.
    pub strategy: Strategy,
    /// After how long a rollout without success is called stuck.
    pub progress_deadline: Duration,
    /// What lasting ill health leads to.
    pub on_unhealthy: OnUnhealthy,
    /// How it is checked; `None` when checks are disabled.
    pub checks: Option<CheckPolicy>,
}

/// Whether a server is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It is to run.
    Keep,
    /// It was deleted: stop all, verify, forget (behaviour 5.6).
    Delete,
}

/// What an instance is started with: changed launch fields or secrets make another revision.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Hash of the launch fields (behaviour 5.4).
    pub launch: String,
    /// Hash of the fingerprints of all secrets in use; `None` while one of them cannot be known.
    pub secrets: Option<String>,
}

impl Revision {
    /// Whether an instance started with `self` is out of date against `wanted`. Secrets that cannot be
    /// known change nothing: a backend that is away must not roll what runs.
    pub fn is_outdated(&self, wanted: &Self) -> bool {
        let secrets_differ = match (&self.secrets, &wanted.secrets) {
            (Some(have), Some(want)) => have != want,
            _ => false,
        };
        self.launch != wanted.launch || secrets_differ
    }
}

/// How changed launch fields are rolled out (behaviour 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// One new instance, wait until it is Ready, then one old goes.
    Rolling,
    /// Old first.
    Recreate,
}

/// What lasting ill health leads to (behaviour 6.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnhealthy {
    /// Nothing but the truth.
    None,
    /// A restart, where it could mend anything.
    Restart,
}

/// The numbers of a health check (behaviour 6.4).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckPolicy {
    /// From one due time to the next; 0.1 s to a day.
    pub interval: Duration,
    /// Bound of one check; 0.01 s to 10 min.
    pub timeout: Duration,
    /// Failures in a row that make unhealthy; 1 to 100.
    pub failure_threshold: u32,
    /// Passes in a row that make healthy again; 1 to 100.
    pub success_threshold: u32,
    /// From Connected to the first check.
    pub initial_delay: Duration,
    /// How long an instance may take to be Connected before checks fail.
    pub startup: Duration,
}

impl Default for CheckPolicy {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            failure_threshold: 3,
            success_threshold: 1,
            initial_delay: Duration::ZERO,
            startup: Duration::from_mins(1),
        }
    }
}

impl CheckPolicy {
    /// How long a conclusive verdict holds (behaviour 6.9).
    pub fn verdict_lifetime(&self) -> Duration {
        self.interval.saturating_mul(3).saturating_add(self.timeout)
    }
}
