//! What is to be done about a server: snapshot in, plan out (behaviour 5).
//!
//! The plan says what it does, why, and when to look again; the executor has no choices left. Everything a
//! pass needs to know is an argument, so each rule is a test without a clock, a store or a process.

mod rollout;
mod settle;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

pub use self::rollout::Rollout;
use crate::instance::{AfterStop, Instance, Phase, Stopping};
use crate::name::InstanceId;
use crate::server::{Server, Strategy, Wish};

/// After how long RUNNING and Connected the count of attempts goes back to 0 (behaviour 4.6).
pub const COUNT_RESET_AFTER: Duration = Duration::from_mins(10);

/// What to do, and when to look again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In order; each concerns one instance and may be carried out beside the others.
    pub steps: Vec<Step>,
    /// The next moment at which time alone changes the plan.
    pub look_again_at: Option<Timestamp>,
    /// How far the newest revision has come.
    pub rollout: Rollout,
}

/// One thing to do and the reason for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Why, as a clause: `1 of 2 replicas exist`.
    pub why: String,
}

/// What can be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make an instance; its first attempt is due at once.
    Create,
    /// Start an attempt of an instance that has none under way.
    Attempt(InstanceId),
    /// Take the wanted revision over, forget the count ([`Instance::count_reset`]), attempt at once
    /// (behaviour 4.6).
    Refresh(InstanceId),
    /// End an attempt under way that is for a revision nobody wants; it counts as none, and the instance
    /// stays as it is: the next pass refreshes it.
    Cancel(InstanceId),
    /// Stop it, prove it gone, then what [`AfterStop`] says.
    Stop(InstanceId, AfterStop),
    /// Set the count of attempts back to 0.
    ResetCount(InstanceId),
    /// Nothing is left of a deleted server: remove its rows.
    Forget,
}

/// What a pass looks at.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// Now.
    pub now: Timestamp,
    /// The desired state.
    pub server: &'a Server,
    /// All instances of the server.
    pub instances: &'a [Instance],
    /// Those with an attempt or a stop under way. No second one is planned for them; a `Stop` or `Cancel`
    /// ends the attempt.
    pub in_flight: &'a BTreeSet<InstanceId>,
    /// After how long in service the count of attempts is forgotten.
    pub count_reset_after: Duration,
}

impl Snapshot<'_> {
    fn is_in_flight(&self, instance: &Instance) -> bool {
        self.in_flight.contains(&instance.id)
    }

    fn is_outdated(&self, instance: &Instance) -> bool {
        instance.revision.is_outdated(&self.server.revision)
    }

    /// Whether nothing may start because the old revision goes first, and is not gone (behaviour 5.4).
    fn waits_for_old(&self) -> bool {
        let may_run = |instance: &&Instance| matches!(instance.phase, Phase::Running(_) | Phase::Stopping(_));
        self.server.strategy == Strategy::Recreate
            && self.instances.iter().filter(may_run).any(|instance| self.is_outdated(instance))
    }
}

/// What is to be done about one server now.
pub fn decide(snapshot: &Snapshot<'_>) -> Plan {
    let mut plan = Plan::default();
    if snapshot.server.wish == Wish::Delete {
        delete(snapshot, &mut plan);
        return plan;
    }
    let stopped = rollout::plan(snapshot, &mut plan);
    for instance in snapshot.instances.iter().filter(|instance| !stopped.contains(&instance.id)) {
        settle::plan(snapshot, instance, &mut plan);
    }
    plan
}

/// Stop all, verify that they are gone, then forget (behaviour 5.6).
fn delete(snapshot: &Snapshot<'_>, plan: &mut Plan) {
    if snapshot.instances.is_empty() {
        plan.push(Action::Forget, "all its instances are gone");
    }
    for instance in snapshot.instances {
        match &instance.phase {
            Phase::Stopping(stopping) if stopping.then == AfterStop::Remove => {
                settle::stop_again(snapshot, instance, stopping, plan);
            }
            _ => plan.push(Action::Stop(instance.id.clone(), AfterStop::Remove), "the server was deleted"),
        }
    }
}

impl Plan {
    fn push(&mut self, action: Action, why: impl Into<String>) {
        self.steps.push(Step { action, why: why.into() });
    }

    fn look_again(&mut self, at: Timestamp) {
        self.look_again_at = Some(self.look_again_at.map_or(at, |known| known.min(at)));
    }
}

/// Whether it is on its way out for good.
fn is_leaving(instance: &Instance) -> bool {
    matches!(&instance.phase, Phase::Stopping(Stopping { then: AfterStop::Remove, .. }))
}

/// Whether it may serve: Ready, or merely connected where nothing checks it.
fn is_available(server: &Server, instance: &Instance) -> bool {
    let is_connected = instance.connected_since().is_some() && instance.sight_lost().is_none();
    if server.checks.is_none() { is_connected } else { instance.is_ready() }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;
