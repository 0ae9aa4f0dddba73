//! One causal sentence about a server: what is wrong, since when, what happens next.

use std::time::Duration;

use jiff::Timestamp;

use crate::conditions::{Condition, ConditionStatus, ConditionType};
use crate::decide::{Action, Plan, Rollout, Step};
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
        Phase::Starting => ("is starting".to_owned(), since(ConditionType::Running)),
        Phase::Stopping(stopping) => {
            let words = stopping.error.as_ref().map(|e| format!(", which failed: {e}")).unwrap_or_default();
            (format!("is stopping{words}"), Some(stopping.since))
        }
        Phase::Failed(failed) => (
            format!("is in ERROR after {}: {}", attempts(instance), failed.error.message),
            instance.attempts.last_at,
        ),
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
        Phase::Failed(failed) => format!(
            "attempt {} in {}, or at once when a secret or the server changes",
            worst.attempts.count.saturating_add(1),
            words(whole_seconds(between(now, failed.retry_at)))
        ),
        Phase::Stopping(_) => "it is forgotten once it is proved gone".to_owned(),
        Phase::Starting => "it runs as soon as the runtime says so".to_owned(),
        Phase::Running(_) => match &server.checks {
            Some(policy) => format!("it is checked every {}", words(policy.interval)),
            None => "nothing: its checks are disabled".to_owned(),
        },
    }
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
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::check::{FailureKind, Verdict};
    use crate::fixture::{
        Fleet, at, check, checked, connected, exited, failed, leaving, missing_secret, moment, ready, running,
    };

    fn told(fleet: &Fleet) -> String {
        let why = why(at(10), &fleet.server, &fleet.instances, &fleet.decide());
        format!("{}\nnext: {}\n{}", why.sentence, why.next, why.chain.join("\n"))
    }

    fn found(verdict: Verdict, message: &'static str, times: u32) -> impl Fn(Instance) -> Instance {
        move |instance| {
            let record = check(verdict, message);
            (0..times).fold(connected(instance), |instance, _| checked(instance, &record, at(0)))
        }
    }

    #[test]
    fn a_server_that_works_says_what_proved_it() {
        assert_snapshot!(told(&Fleet::of(1).with("a", ready)), @"
        demo is ready, proven by a real call
        next: it is checked every 30s
        1 of 1 replicas ready
        ");
    }

    #[test]
    fn a_server_that_only_lists_its_tools_is_told_from_a_proven_one() {
        let mut record = check(Verdict::Pass, "ok");
        record.calls[0].method = "tools/list".to_owned();
        let fleet = Fleet::of(1).with("a", |i| checked(connected(i), &record, at(0)));
        assert_snapshot!(told(&fleet), @"
        demo is ready (unverified): it answers, but no real call was made to prove that it works
        next: it is checked every 30s
        1 of 1 replicas ready
        Functional is False (Unverified) on instance a: no real call was made
        ");
    }

    #[test]
    fn a_wrong_token_is_told_in_the_words_of_the_server() {
        let refused = Verdict::Failure(FailureKind::Tool);
        assert_snapshot!(told(&Fleet::of(1).with("a", found(refused, "token is required", 3))), @"
        demo is unhealthy: token is required
        next: it is checked every 30s
        0 of 1 replicas ready
        Ready is False (Unhealthy) on instance a
        Functional is False (CheckFailed) on instance a: token is required
        ");
        assert_snapshot!(told(&Fleet::of(1).with("a", found(refused, "token is required", 1))), @"
        demo was not seen to work since it started: token is required
        next: it is checked every 30s
        0 of 1 replicas ready
        Ready is False (NotProven) on instance a
        Functional is False (CheckFailed) on instance a: token is required
        ");
    }

    #[test]
    fn a_missing_secret_is_told_with_the_time_of_the_next_attempt() {
        let missing = |instance: Instance| instance.secrets_missing(&missing_secret(), moment(at(0)));
        assert_snapshot!(told(&Fleet::of(1).with("a", missing)), @"
        demo is in ERROR after 1 failed attempt: secret resolution failed: variable TOKEN: secret demo-token, key token, backend sealed: secret not found
        next: attempt 2 in 20s, or at once when a secret or the server changes
        0 of 1 replicas ready
        Ready is False (NotRunning) on instance a
        Functional is Unknown (NotRunning) on instance a
        Connected is False (NotRunning) on instance a
        Running is False (SecretsUnresolved) on instance a
        SecretsResolved is False (SecretsUnresolved) on instance a: secret resolution failed: variable TOKEN: secret demo-token, key token, backend sealed: secret not found
        ");
    }

    #[test]
    fn what_is_not_known_is_not_called_ill() {
        assert_snapshot!(told(&Fleet::of(1).with("a", connected)), @"
        demo runs and is connected, but was not checked yet
        next: it is checked every 30s
        0 of 1 replicas ready
        Ready is False (NotChecked) on instance a: no check has run
        Functional is Unknown (NotProven) on instance a
        ");
        assert_snapshot!(told(&Fleet::of(1).change(|s| s.checks = None).with("a", connected)), @"
        demo runs and is connected; whether it works nobody knows, for its checks are disabled
        next: nothing: its checks are disabled
        0 of 1 replicas ready
        Ready is False (NotChecked) on instance a: no check has run
        Functional is Unknown (NotProven) on instance a
        ");
        assert_snapshot!(told(&Fleet::of(1).with("a", running)), @"
        demo runs, and is not connected yet
        next: it is checked every 30s
        0 of 1 replicas ready
        Ready is False (Connecting) on instance a
        Functional is Unknown (NotProven) on instance a
        Connected is False (Connecting) on instance a
        ");
        let again = |i: Instance| ready(failed(1)(ready(i))).disconnected("reset by peer".to_owned(), at(9));
        assert_snapshot!(told(&Fleet::of(1).with("a", again)), @"
        demo runs, but the connection failed: reset by peer
        next: it is checked every 30s
        0 of 1 replicas ready
        Ready is False (ConnectionFailed) on instance a
        Connected is False (ConnectionFailed) on instance a: reset by peer
        ");
    }

    #[test]
    fn a_restarted_instance_is_not_said_to_be_stopped() {
        let again = |i: Instance| connected(exited(i));
        assert_snapshot!(told(&Fleet::of(1).with("a", again)), @"
        demo runs, but nobody knows whether it works: no check since it stopped running
        next: it is checked every 30s
        0 of 1 replicas ready
        Ready is False (NotProven) on instance a
        Functional is Unknown (NotProven) on instance a: no check since it stopped running
        ");
    }

    #[test]
    fn the_worst_instance_is_told_and_a_rollout_that_is_stuck() {
        let fleet = Fleet::of(1).with("a", ready).launch("v2").with("b", failed(1));
        let fleet = fleet.change(|server| server.progress_deadline = Duration::from_secs(5));
        assert_snapshot!(told(&fleet), @"
        demo serves with 1 of 1 replicas ready, but instance b is in ERROR after 1 failed attempt: no such file: demo
        next: attempt 2 in 21s, or at once when a secret or the server changes
        1 of 1 replicas ready
        the rollout is stuck: instance b is not ready after 9s
        Ready is False (NotRunning) on instance b
        Functional is Unknown (NotRunning) on instance b
        Connected is False (NotRunning) on instance b
        Running is False (StartFailed) on instance b: no such file: demo
        SecretsResolved is Unknown (NotAttempted) on instance b
        ");
    }

    #[test]
    fn a_server_without_instances_says_why() {
        assert_snapshot!(told(&Fleet::of(1)), @"
        demo has no instance yet
        next: an instance is made: 0 of 1 replicas exist
        ");
        assert_snapshot!(told(&Fleet::of(0)), @"
        demo is switched off: replicas is 0
        next: nothing, until it is changed
        ");
        assert_snapshot!(told(&Fleet::of(1).change(|server| server.wish = Wish::Delete)), @"
        demo was deleted and is being forgotten
        next: the server is forgotten: all its instances are gone
        ");
        assert_snapshot!(told(&Fleet::of(0).with("a", leaving).in_flight("a")), @"
        demo is stopping
        next: it is forgotten once it is proved gone
        0 of 0 replicas ready
        Ready is False (NotRunning) on instance a
        Functional is Unknown (NotRunning) on instance a
        Connected is False (NotRunning) on instance a
        Running is False (Stopping) on instance a
        ");
    }
}
