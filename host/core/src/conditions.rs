//! The five conditions of an instance (behaviour 2.4).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::health::{HealthStatus, Proof};
use crate::instance::{Instance, Link, Phase, RUNTIME_UNREACHABLE, Secrets};

/// What a condition speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// Every env entry of the last attempt had a value.
    SecretsResolved,
    /// The runtime reports it running; Unknown while it does not answer.
    Running,
    /// The MCP connection is open and the server answered.
    Connected,
    /// The last conclusive check proved function and is not expired.
    Functional,
    /// Running, Connected, proven, and healthy or degraded.
    Ready,
}

/// In the order in which they come true.
pub const CONDITION_TYPES: [ConditionType; 5] = [
    ConditionType::SecretsResolved,
    ConditionType::Running,
    ConditionType::Connected,
    ConditionType::Functional,
    ConditionType::Ready,
];

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

/// Three values, because what is not known is not false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows.
    Unknown,
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

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it speaks of.
    pub condition_type: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One CamelCase word for why.
    pub reason: String,
    /// A sentence for a person; may be empty.
    pub message: String,
    /// When `status` changed last.
    pub last_transition_at: Timestamp,
}

/// All five, in the order of [`CONDITION_TYPES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Conditions(Vec<Condition>);

type Finding = (ConditionStatus, &'static str, String);

impl Conditions {
    /// Nothing is known yet.
    pub fn new(now: Timestamp) -> Self {
        Self(CONDITION_TYPES.map(|condition_type| Condition::unknown(condition_type, now)).into())
    }

    /// In the order in which they come true.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Condition> {
        self.0.iter()
    }

    /// The condition of that type.
    pub fn find(&self, condition_type: ConditionType) -> Option<&Condition> {
        self.0.iter().find(|condition| condition.condition_type == condition_type)
    }

    /// Whether the condition of that type is True.
    pub fn is_true(&self, condition_type: ConditionType) -> bool {
        self.find(condition_type).is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    /// Whether Ready is True.
    pub fn is_ready(&self) -> bool {
        self.is_true(ConditionType::Ready)
    }

    /// Whether Functional is True: `verified` in the views.
    pub fn is_verified(&self) -> bool {
        self.is_true(ConditionType::Functional)
    }

    /// What holds for the instance now; the time of a condition moves only when its status does.
    #[must_use]
    pub fn refreshed(mut self, instance: &Instance, now: Timestamp) -> Self {
        let fresh = CONDITION_TYPES.map(|condition_type| {
            let old = self.0.iter().position(|condition| condition.condition_type == condition_type);
            let mut condition = match old {
                Some(at) => self.0.swap_remove(at),
                None => Condition::unknown(condition_type, now),
            };
            condition.update(judge(condition_type, instance), now);
            condition
        });
        Self(fresh.into())
    }
}

impl Condition {
    fn unknown(condition_type: ConditionType, now: Timestamp) -> Self {
        Self {
            condition_type,
            status: ConditionStatus::Unknown,
            reason: "NotStarted".to_owned(),
            message: String::new(),
            last_transition_at: now,
        }
    }

    /// Most checks change nothing, so that what stays is not written anew.
    fn update(&mut self, (status, reason, message): Finding, now: Timestamp) {
        if self.status != status {
            self.status = status;
            self.last_transition_at = now;
        }
        if self.reason != reason {
            reason.clone_into(&mut self.reason);
        }
        self.message = message;
    }
}

fn judge(condition_type: ConditionType, instance: &Instance) -> Finding {
    match condition_type {
        ConditionType::SecretsResolved => secrets_resolved(instance),
        ConditionType::Running => running(instance),
        ConditionType::Connected => connected(instance),
        ConditionType::Functional => functional(instance),
        ConditionType::Ready => ready(instance),
    }
}

fn secrets_resolved(instance: &Instance) -> Finding {
    match &instance.secrets {
        Secrets::Unknown => (ConditionStatus::Unknown, "NotAttempted", String::new()),
        Secrets::Resolved => (ConditionStatus::True, "Resolved", String::new()),
        Secrets::Missing(message) => (ConditionStatus::False, "SecretsUnresolved", message.clone()),
    }
}

/// What a condition is that hangs on a run of which nothing can be known now.
fn unseen(instance: &Instance) -> Option<Finding> {
    let words = instance.sight_lost()?;
    Some((ConditionStatus::Unknown, RUNTIME_UNREACHABLE, words.to_owned()))
}

fn running(instance: &Instance) -> Finding {
    if let Some(unseen) = unseen(instance) {
        return unseen;
    }
    match &instance.phase {
        Phase::Starting => (ConditionStatus::False, "Starting", String::new()),
        Phase::Running(_) => (ConditionStatus::True, "Running", String::new()),
        Phase::Stopping(stopping) => {
            (ConditionStatus::False, "Stopping", stopping.error.clone().unwrap_or_default())
        }
        Phase::Failed(failed) => {
            (ConditionStatus::False, failed.error.reason.as_str(), failed.error.message.clone())
        }
    }
}

fn connected(instance: &Instance) -> Finding {
    match instance.running().map(|running| &running.link) {
        None => (ConditionStatus::False, "NotRunning", String::new()),
        Some(Link::Opening) => (ConditionStatus::False, "Connecting", String::new()),
        Some(Link::Open { protocol_version, .. }) => {
            (ConditionStatus::True, "Connected", format!("MCP {protocol_version}"))
        }
        Some(Link::Broken { error, .. }) => (ConditionStatus::False, "ConnectionFailed", error.clone()),
    }
}

fn functional(instance: &Instance) -> Finding {
    if instance.running().is_none() {
        return (ConditionStatus::Unknown, "NotRunning", String::new());
    }
    let message = instance.health.message().to_owned();
    match instance.health.proof() {
        Proof::None => (ConditionStatus::Unknown, "NotProven", message),
        Proof::Failed => (ConditionStatus::False, "CheckFailed", message),
        Proof::Unverified => (ConditionStatus::False, "Unverified", "no real call was made".to_owned()),
        Proof::Verified => (ConditionStatus::True, "CheckPassed", message),
    }
}

fn ready(instance: &Instance) -> Finding {
    if let Some(unseen) = unseen(instance) {
        return unseen;
    }
    let not = |reason, message: &str| (ConditionStatus::False, reason, message.to_owned());
    match instance.running().map(|running| &running.link) {
        None => return not("NotRunning", &running(instance).2),
        Some(Link::Opening) => return not("Connecting", ""),
        Some(Link::Broken { error, .. }) => return not("ConnectionFailed", error),
        Some(Link::Open { .. }) => {}
    }
    let message = instance.health.message();
    match instance.health.status() {
        _ if instance.health.allows_ready() => (ConditionStatus::True, "Ready", String::new()),
        None => not("NotChecked", "no check has run"),
        Some(HealthStatus::Unhealthy) => not("Unhealthy", message),
        Some(_) => not("NotProven", message),
    }
}

#[cfg(test)]
mod scenarios;
