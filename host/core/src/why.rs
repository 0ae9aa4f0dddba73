//! One causal sentence about a server: what is wrong, since when, what happens next.

use jiff::Timestamp;

use crate::conditions::{Condition, ConditionStatus, ConditionType};
use crate::decide::{Plan, Rollout};
use crate::health::{HealthStatus, Proof};
use crate::instance::{Instance, Phase};
use crate::server::{Server, Wish};
use crate::time::{between, words};

/// The answer to "why is it like that?".
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// What is the case, in one sentence.
    pub sentence: String,
    /// Since when, where a time is known.
    pub since: Option<Timestamp>,
    /// What happens next.
    pub next: String,
    /// The links of the chain, each a cause of the one before.
    pub chain: Vec<String>,
}

/// How telling an instance is when only one can be shown: lower is more telling.
pub fn telling_rank(instance: &Instance) -> u8 {
    match (&instance.phase, instance.health.status()) {
        (Phase::Failed(_), _) => 0,
        (_, Some(HealthStatus::Unhealthy)) => 1,
        (Phase::Stopping(_), _) => 2,
        (Phase::Starting, _) => 3,
        (_, Some(HealthStatus::Unknown) | None) => 4,
        (_, Some(HealthStatus::Degraded)) => 5,
        (_, Some(HealthStatus::Healthy)) => 6,
    }
}

/// The sentence about a server as it stands, with the words of its plan.
pub fn why(now: Timestamp, server: &Server, instances: &[Instance], plan: &Plan) -> Why {
    let worst = instances.iter().min_by_key(|instance| telling_rank(instance));
    let Some(worst) = worst else { return why_empty(server, plan) };
    let ready = instances.iter().filter(|instance| instance.is_ready()).count();
    let mut chain = vec![format!("{ready} of {} replicas are ready", server.replicas)];
    if let Rollout::Stuck { instance, since } = &plan.rollout {
        let waited = words(between(*since, now));
        chain.push(format!("the rollout is stuck: instance {instance} is not ready after {waited}"));
    }
    let (cause, since) = cause(worst);
    chain.extend(
        worst.conditions.iter().filter(|c| c.status != ConditionStatus::True).map(|c| link(worst, c)),
    );
    Why {
        sentence: format!("{} {}", server.name, cause),
        since: since.or_else(|| worst.events.last().map(|event| event.last_timestamp)),
        next: next(now, server, worst, plan),
        chain,
    }
}

fn why_empty(server: &Server, plan: &Plan) -> Why {
    let sentence = match (server.wish, server.replicas) {
        (Wish::Delete, _) => format!("{} was deleted and is being forgotten", server.name),
        (Wish::Keep, 0) => format!("{} is switched off: replicas is 0", server.name),
        (Wish::Keep, _) => format!("{} has no instance yet", server.name),
    };
    let next = match plan.steps.first() {
        Some(step) => step.why.clone(),
        None => "nothing, until it is changed".to_owned(),
    };
    Why { sentence, since: None, next, chain: Vec::new() }
}

fn cause(instance: &Instance) -> (String, Option<Timestamp>) {
    let id = &instance.id;
    let since = |t| instance.conditions.find(t).map(|condition| condition.last_transition_at);
    match &instance.phase {
        Phase::Starting => (format!("is starting (instance {id})"), since(ConditionType::Running)),
        Phase::Stopping(stopping) => {
            let words = stopping.error.as_ref().map(|e| format!(", which failed: {e}")).unwrap_or_default();
            (format!("is stopping (instance {id}){words}"), Some(stopping.since))
        }
        Phase::Failed(failed) => (
            format!("is in ERROR after {}: {}", attempts(instance), failed.error.message),
            instance.attempts.last_at,
        ),
        Phase::Running(_) => running_cause(instance, since(ConditionType::Ready)),
    }
}

fn attempts(instance: &Instance) -> String {
    match instance.attempts.count {
        1 => "1 failed attempt".to_owned(),
        count => format!("{count} failed attempts"),
    }
}

fn running_cause(instance: &Instance, ready_since: Option<Timestamp>) -> (String, Option<Timestamp>) {
    let condition = |t| instance.conditions.find(t);
    let message = instance.health.message();
    let text = match instance.health.status() {
        _ if condition(ConditionType::Connected).is_some_and(|c| c.status != ConditionStatus::True) => {
            let words = condition(ConditionType::Connected).map(|c| c.message.clone()).unwrap_or_default();
            if words.is_empty() {
                "runs, and is not connected yet".to_owned()
            } else {
                format!("runs, but the connection failed: {words}")
            }
        }
        None => "runs and is connected, but was not checked yet".to_owned(),
        Some(HealthStatus::Unhealthy) => format!("is unhealthy: {message}"),
        Some(HealthStatus::Unknown) => format!("runs, but nobody knows whether it works: {message}"),
        Some(HealthStatus::Degraded) => format!("is degraded: {message}"),
        Some(HealthStatus::Healthy) if instance.health.proof() == Proof::Verified => {
            "is ready, proven by a real call".to_owned()
        }
        Some(HealthStatus::Healthy) => {
            "is ready (unverified): it answers, but no real call was made to prove that it works".to_owned()
        }
    };
    (text, ready_since)
}

fn link(instance: &Instance, condition: &Condition) -> String {
    let head = format!(
        "{} is {} ({}) on instance {}",
        condition.condition_type.as_str(),
        condition.status.as_str(),
        condition.reason,
        instance.id
    );
    if condition.message.is_empty() { head } else { format!("{head}: {}", condition.message) }
}

fn next(now: Timestamp, server: &Server, worst: &Instance, plan: &Plan) -> String {
    if let Some(step) = plan.steps.first() {
        return format!("now: {}", step.why);
    }
    match &worst.phase {
        Phase::Failed(failed) => format!(
            "attempt {} in {}, or at once when a secret or the server changes",
            worst.attempts.count.saturating_add(1),
            words(between(now, failed.retry_at).max(std::time::Duration::from_secs(1)))
        ),
        Phase::Stopping(_) => "it is forgotten once it is proved gone".to_owned(),
        Phase::Starting => "it runs as soon as the runtime says so".to_owned(),
        Phase::Running(_) => match &server.checks {
            Some(policy) => format!("it is checked every {}", words(policy.interval)),
            None => "nothing: its checks are disabled".to_owned(),
        },
    }
}
