//! What is to be done about one instance that stays.

use super::{Action, Plan, Snapshot};
use crate::instance::{AfterStop, AttemptError, AttemptReason, Failed, Instance, Phase, Stopping};
use crate::server::OnUnhealthy;
use crate::time::after;

/// Attempts what is due, retries what failed, resets what has proven itself.
pub(super) fn plan(snapshot: &Snapshot<'_>, instance: &Instance, plan: &mut Plan) {
    match &instance.phase {
        Phase::Starting if snapshot.is_in_flight(instance) => cancel_if_outdated(snapshot, instance, plan),
        Phase::Starting | Phase::Failed(_) if snapshot.waits_for_old() => {}
        Phase::Starting => start(snapshot, instance, plan),
        Phase::Failed(failed) => retry(snapshot, instance, failed, plan),
        Phase::Running(_) => keep(snapshot, instance, plan),
        Phase::Stopping(stopping) => stop_again(snapshot, instance, stopping, plan),
    }
}

/// An attempt that mcpd's own end or a changed server left open; a changed one starts its count anew
/// (behaviour 4.6, 5.7).
fn start(snapshot: &Snapshot<'_>, instance: &Instance, plan: &mut Plan) {
    if snapshot.is_outdated(instance) {
        plan.push(Action::Refresh(instance.id.clone()), "the launch fields or a secret changed");
    } else {
        plan.push(Action::Attempt(instance.id.clone()), "a start attempt is due");
    }
}

fn cancel_if_outdated(snapshot: &Snapshot<'_>, instance: &Instance, plan: &mut Plan) {
    if snapshot.is_outdated(instance) {
        plan.push(
            Action::Cancel(instance.id.clone()),
            "the launch fields or a secret changed while it started",
        );
    }
}

/// The same instance again, once its time has come (behaviour 4.3, 4.4).
fn retry(snapshot: &Snapshot<'_>, instance: &Instance, failed: &Failed, plan: &mut Plan) {
    if snapshot.is_in_flight(instance) {
        return;
    }
    if snapshot.is_outdated(instance) {
        plan.push(Action::Refresh(instance.id.clone()), "the launch fields or a secret changed");
    } else if failed.retry_at <= snapshot.now {
        let why = format!("attempt {} is due", instance.attempts.count.saturating_add(1));
        plan.push(Action::Attempt(instance.id.clone()), why);
    } else {
        plan.look_again(failed.retry_at);
    }
}

/// Restarts it where that is asked for; forgets the attempts once it has been in service for long enough. Of
/// what cannot be seen neither is known to be right, so it is left alone.
fn keep(snapshot: &Snapshot<'_>, instance: &Instance, plan: &mut Plan) {
    if instance.sight_lost().is_some() {
        return;
    }
    if wants_restart(snapshot, instance) {
        let then = AfterStop::Fail(unhealthy_error(instance));
        plan.push(Action::Stop(instance.id.clone(), then), "unhealthy, and onUnhealthy is restart");
        return;
    }
    let Some(since) = instance.connected_since().filter(|_| instance.attempts.count > 0) else { return };
    let reset_at = after(since, snapshot.count_reset_after);
    if reset_at <= snapshot.now {
        plan.push(Action::ResetCount(instance.id.clone()), "it has run and been connected long enough");
    } else {
        plan.look_again(reset_at);
    }
}

/// One replica at a time, and only where a restart could mend anything (behaviour 6.12).
fn wants_restart(snapshot: &Snapshot<'_>, instance: &Instance) -> bool {
    let Some(policy) = &snapshot.server.checks else { return false };
    let first_ill = |candidate: &&Instance| candidate.health.calls_for_restart(policy.failure_threshold);
    let is_seen = |other: &Instance| other.running().is_some() && other.sight_lost().is_none();
    snapshot.server.on_unhealthy == OnUnhealthy::Restart
        && snapshot.instances.iter().all(is_seen)
        && snapshot.instances.iter().find(first_ill).is_some_and(|first| first.id == instance.id)
}

/// A stop that failed is tried again; until it succeeds nothing is started in its place (behaviour 5.3).
pub(super) fn stop_again(snapshot: &Snapshot<'_>, instance: &Instance, stopping: &Stopping, plan: &mut Plan) {
    if snapshot.is_in_flight(instance) {
        return;
    }
    if stopping.retry_at <= snapshot.now {
        plan.push(Action::Stop(instance.id.clone(), stopping.then.clone()), "it is not proved gone yet");
    } else {
        plan.look_again(stopping.retry_at);
    }
}

fn unhealthy_error(instance: &Instance) -> AttemptError {
    AttemptError {
        reason: AttemptReason::Unhealthy,
        message: format!("restarted as unhealthy: {}", instance.health.message()),
    }
}
