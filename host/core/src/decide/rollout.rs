//! How many instances there are to be, and how an old revision gives way to a new one (behaviour 5.2, 5.4).

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Action, Plan, Snapshot, is_available, is_leaving};
use crate::health::HealthStatus;
use crate::instance::{AfterStop, Instance, Phase};
use crate::name::InstanceId;
use crate::server::Strategy;
use crate::time::after;

/// How far the newest revision has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rollout {
    /// No instance runs with an older revision.
    #[default]
    Complete,
    /// Old instances are being replaced.
    Progressing {
        /// Instances of the wanted revision.
        updated: usize,
        /// Instances of an older one.
        outdated: usize,
    },
    /// The new instance did not become Ready in time; the old one stays.
    Stuck {
        /// The new instance.
        instance: InstanceId,
        /// When it was made.
        since: Timestamp,
    },
}

/// The instances of a server, sorted by what a rollout does with them.
struct Fleet<'a> {
    snapshot: &'a Snapshot<'a>,
    /// They run with an older revision.
    old: Vec<&'a Instance>,
    /// They have the wanted revision, or will have with their next attempt.
    current: Vec<&'a Instance>,
    /// They are on their way out, and may still run.
    leaving: usize,
}

/// Plans creations and stops; gives the instances that are to be stopped.
pub(super) fn plan(snapshot: &Snapshot<'_>, plan: &mut Plan) -> BTreeSet<InstanceId> {
    let fleet = Fleet::of(snapshot);
    let mut stopped = BTreeSet::new();
    let replaced = fleet.replaced();
    let surplus = fleet.surplus(&replaced);
    for (instance, why) in replaced.into_iter().chain(surplus) {
        stopped.insert(instance.id.clone());
        plan.push(Action::Stop(instance.id.clone(), AfterStop::Remove), why);
    }
    for _ in 0..fleet.missing() {
        plan.push(Action::Create, fleet.why_create());
    }
    plan.rollout = fleet.rollout(plan);
    stopped
}

impl<'a> Fleet<'a> {
    fn of(snapshot: &'a Snapshot<'a>) -> Self {
        let (leaving, staying): (Vec<_>, Vec<_>) = snapshot.instances.iter().partition(|i| is_leaving(i));
        let (old, current) = staying.into_iter().partition(|instance| {
            matches!(instance.phase, Phase::Running(_)) && snapshot.is_outdated(instance)
        });
        Self { snapshot, old, current, leaving: leaving.len() }
    }

    fn wanted(&self) -> usize {
        self.snapshot.server.replicas
    }

    fn is_rolling(&self) -> bool {
        !self.old.is_empty() && self.wanted() > 0 && self.snapshot.server.strategy == Strategy::Rolling
    }

    /// Those that have the wanted revision already.
    fn updated(&self) -> impl Iterator<Item = &'a Instance> {
        self.current.iter().copied().filter(|instance| !self.snapshot.is_outdated(instance))
    }

    /// How many instances there may be at once: `replicas`, and one more while rolling.
    fn slots(&self) -> usize {
        self.wanted() + usize::from(self.is_rolling())
    }

    /// Old instances whose time has come: one for each available replacement, or all where old goes first.
    fn replaced(&self) -> Vec<(&'a Instance, String)> {
        let server = self.snapshot.server;
        let available = self.current.iter().filter(|i| is_available(server, i)).count();
        let kept = self.wanted().saturating_sub(available);
        let (count, why) = match server.strategy {
            _ if self.wanted() == 0 => return Vec::new(),
            Strategy::Recreate => (self.old.len(), "the revision changed, and the strategy is recreate"),
            Strategy::Rolling => {
                (self.old.len().saturating_sub(kept).min(available), "its replacement is in service")
            }
        };
        self.worst_first(&self.old).into_iter().take(count).map(|i| (i, why.to_owned())).collect()
    }

    /// What is over the number of slots once the replaced ones are gone, the worst first. As long as none has
    /// the wanted revision there is no surge to make room for; so a newer revision replaces a stuck one.
    fn surplus(&self, replaced: &[(&'a Instance, String)]) -> Vec<(&'a Instance, String)> {
        let is_replaced = |instance: &&Instance| replaced.iter().any(|(other, _)| other.id == instance.id);
        let all: Vec<_> = self.old.iter().chain(&self.current).copied().filter(|i| !is_replaced(i)).collect();
        let slots = if self.updated().next().is_some() { self.slots() } else { self.wanted() };
        let why = format!("{} wanted, {} there", self.wanted(), all.len());
        let excess = all.len().saturating_sub(slots);
        self.worst_first(&all).into_iter().take(excess).map(|i| (i, why.clone())).collect()
    }

    /// ERROR, then unhealthy or being restarted for it, then old, then newest (behaviour 5.2).
    fn worst_first(&self, instances: &[&'a Instance]) -> Vec<&'a Instance> {
        let mut sorted = instances.to_vec();
        sorted.sort_by_key(|instance| {
            let rank = match &instance.phase {
                Phase::Failed(_) => 0,
                _ if instance.health.status() == Some(HealthStatus::Unhealthy) => 1,
                Phase::Stopping(_) => 1,
                _ if self.snapshot.is_outdated(instance) => 2,
                _ => 3,
            };
            (rank, Reverse(instance.created_at), instance.id.clone())
        });
        sorted
    }

    /// How many are to be made now. What is on its way out still takes its slot, for it may still run.
    fn missing(&self) -> usize {
        if self.snapshot.waits_for_old() {
            return 0;
        }
        let there = self.old.len() + self.current.len() + self.leaving;
        self.slots().saturating_sub(there)
    }

    fn why_create(&self) -> String {
        let there = self.old.len() + self.current.len();
        if there < self.wanted() {
            format!("{there} of {} replicas exist", self.wanted())
        } else {
            "the revision changed, and the strategy is rolling".to_owned()
        }
    }

    fn rollout(&self, plan: &mut Plan) -> Rollout {
        if self.old.is_empty() {
            return Rollout::Complete;
        }
        let server = self.snapshot.server;
        let waiting = self.updated().filter(|i| !is_available(server, i)).max_by_key(|i| i.created_at);
        if let Some(newest) = waiting.filter(|_| self.is_rolling()) {
            let deadline = after(newest.created_at, server.progress_deadline);
            if deadline <= self.snapshot.now {
                return Rollout::Stuck { instance: newest.id.clone(), since: newest.created_at };
            }
            plan.look_again(deadline);
        }
        Rollout::Progressing { updated: self.updated().count(), outdated: self.old.len() }
    }
}
