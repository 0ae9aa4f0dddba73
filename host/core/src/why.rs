//! One causal sentence about a server: what is wrong, since when, what happens next.

use std::time::Duration;

use jiff::Timestamp;

use crate::conditions::{Condition, ConditionStatus, ConditionType};
use crate::decide::{Action, Plan, Rollout, Step};
use crate::health::{HealthStatus, Proof};
use crate::instance::{AfterStop, AttemptReason, Failed, Instance, Phase, Running, Sight};
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
        (Phase::Running(_), _) if instance.sight_lost().is_some() => 1,
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
    let mut chain = vec![format!("{ready} of {} replicas ready", server.replicas)];
    if let Rollout::Stuck { instance, since } = &plan.rollout {
        let waited = words(between(*since, now));
        chain.push(format!("the rollout is stuck: instance {instance} is not ready after {waited}"));
    }
    let (cause, since) = cause(server, worst);
    chain.extend(links(worst));
    let sentence = if ready > 0 && !worst.is_ready() {
        format!("{} serves with {}, but instance {} {cause}", server.name, chain[0], worst.id)
    } else {
        format!("{} {cause}", server.name)
    };
    Why {
        sentence,
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
        Some(step) => step_words(step),
        None => "nothing, until it is changed".to_owned(),
    };
    Why { sentence, since: None, next, chain: Vec::new() }
}

fn cause(server: &Server, instance: &Instance) -> (String, Option<Timestamp>) {
    let since = |t| instance.conditions.find(t).map(|condition| condition.last_transition_at);
    match &instance.phase {
        Phase::Starting if instance.left_running => {
            ("ran when mcpd ended, and is looked for".to_owned(), since(ConditionType::Running))
        }
        Phase::Starting => ("is starting".to_owned(), since(ConditionType::Running)),
        Phase::Stopping(stopping) => {
            let then = match &stopping.then {
                AfterStop::Again(why) => format!(", to be started anew: {why}"),
                AfterStop::Remove | AfterStop::Fail(_) => String::new(),
            };
            let words = stopping.error.as_ref().map(|e| format!(", which failed: {e}")).unwrap_or_default();
            (format!("is stopping{then}{words}"), Some(stopping.since))
        }
        Phase::Failed(failed) => (
            format!("is in ERROR after {}: {}", attempts(instance), failed.error.message),
            instance.attempts.last_at,
        ),
        Phase::Running(Running { sight: Sight::Lost { since, reason }, .. }) => {
            (format!("ran when it was last seen, and nobody knows now: {reason}"), Some(*since))
        }
        Phase::Running(_) => (running_cause(server, instance), since(ConditionType::Ready)),
    }
}

fn attempts(instance: &Instance) -> String {
    match instance.attempts.count {
        1 => "1 failed attempt".to_owned(),
        count => format!("{count} failed attempts"),
    }
}

fn running_cause(server: &Server, instance: &Instance) -> String {
    let connected = instance.conditions.find(ConditionType::Connected);
    match connected.filter(|condition| condition.status != ConditionStatus::True) {
        Some(condition) if condition.message.is_empty() => "runs, and is not connected yet".to_owned(),
        Some(condition) => format!("runs, but the connection failed: {}", condition.message),
        None if server.checks.is_none() => {
            "runs and is connected; whether it works nobody knows, for its checks are disabled".to_owned()
        }
        None => health_cause(instance),
    }
}

fn health_cause(instance: &Instance) -> String {
    let message = instance.health.message();
    match instance.health.status() {
        None => "runs and is connected, but was not checked yet".to_owned(),
        Some(HealthStatus::Unhealthy) => format!("is unhealthy: {message}"),
        Some(HealthStatus::Unknown) => format!("runs, but nobody knows whether it works: {message}"),
        Some(HealthStatus::Degraded) if instance.is_ready() => format!("is ready, but degraded: {message}"),
        Some(HealthStatus::Degraded) => format!("was not seen to work since it started: {message}"),
        Some(HealthStatus::Healthy) if instance.health.proof() == Proof::Verified => {
            "is ready, proven by a real call".to_owned()
        }
        Some(HealthStatus::Healthy) => {
            "is ready (unverified): it answers, but no real call was made to prove that it works".to_owned()
        }
    }
}

/// What does not hold, each a cause of the one before; words that a deeper cause says too are left to it.
fn links(instance: &Instance) -> Vec<String> {
    let open: Vec<_> =
        instance.conditions.iter().rev().filter(|c| c.status != ConditionStatus::True).collect();
    let repeats = |index: usize, condition: &Condition| {
        open[index + 1..].iter().any(|cause| cause.message == condition.message)
    };
    let link = |(index, condition): (usize, &&Condition)| {
        let Condition { condition_type, status, reason, message, .. } = condition;
        let words = if message.is_empty() || repeats(index, condition) { "" } else { message };
        let colon = if words.is_empty() { "" } else { ": " };
        let (subject, status) = (condition_type.as_str(), status.as_str());
        format!("{subject} is {status} ({reason}) on instance {}{colon}{words}", instance.id)
    };
    open.iter().enumerate().map(link).collect()
}

fn next(now: Timestamp, server: &Server, worst: &Instance, plan: &Plan) -> String {
    if let Some(step) = plan.steps.first() {
        return step_words(step);
    }
    match &worst.phase {
        Phase::Failed(failed) => next_attempt(now, worst, failed),
        Phase::Stopping(stopping) => match &stopping.then {
            AfterStop::Remove => "it is forgotten once it is proved gone".to_owned(),
            AfterStop::Fail(_) => "it is tried again, on the schedule, once it is proved gone".to_owned(),
            AfterStop::Again(_) => "it is started anew once it is proved gone".to_owned(),
        },
        Phase::Starting => "it runs as soon as the runtime says so".to_owned(),
        Phase::Running(_) if worst.sight_lost().is_some() => {
            "it is looked at again as soon as the runtime answers".to_owned()
        }
        Phase::Running(_) => match &server.checks {
            Some(policy) => format!("it is checked every {}", words(policy.interval)),
            None => "nothing: its checks are disabled".to_owned(),
        },
    }
}

fn next_attempt(now: Timestamp, instance: &Instance, failed: &Failed) -> String {
    let sooner = match failed.error.reason {
        AttemptReason::RuntimeUnreachable => "the runtime answers again",
        _ => "a secret or the server changes",
    };
    let number = instance.attempts.count.saturating_add(1);
    let wait = words(whole_seconds(between(now, failed.retry_at)));
    format!("attempt {number} in {wait}, or at once when {sooner}")
}

fn step_words(step: &Step) -> String {
    let what = match &step.action {
        Action::Create => "an instance is made",
        Action::Attempt(_) => "it is started",
        Action::Refresh(_) => "it is started anew",
        Action::Cancel(_) => "the attempt under way is ended",
        Action::Stop(..) => "an instance is stopped",
        Action::ResetCount(_) => "its failed attempts are forgotten",
        Action::Forget => "the server is forgotten",
    };
    format!("{what}: {}", step.why)
}

/// At least one: "in 0s" would be an answer that is wrong by the time it is read.
fn whole_seconds(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_secs().max(1))
}

#[cfg(test)]
mod scenarios;
