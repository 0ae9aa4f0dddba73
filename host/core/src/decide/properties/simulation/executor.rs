//! The executor of the simulation: one pass, with what must hold in each.

use std::collections::BTreeSet;

use super::{Work, World};
use crate::decide::properties::books::Books;
use crate::decide::{Action, COUNT_RESET_AFTER, Plan, Snapshot, Step, decide};
use crate::instance::{AfterStop, Instance, Phase};
use crate::name::InstanceId;
use crate::server::{Strategy, Wish};
use crate::time::after;

impl World {
    /// One pass: decide, compare with the books, execute.
    pub(crate) fn pass(&mut self) -> Plan {
        let plan = self.decide();
        assert_one_step_each(&plan);
        self.assert_slots(&plan);
        assert!(plan.look_again_at.is_none_or(|next| next > self.now), "a pass that would come at once");
        for step in &plan.steps {
            self.execute(step);
        }
        self.compare();
        plan
    }

    pub(super) fn decide(&self) -> Plan {
        decide(&Snapshot {
            now: self.now,
            server: &self.server,
            instances: &self.instances.values().cloned().collect::<Vec<_>>(),
            in_flight: &self.work.keys().cloned().collect(),
            count_reset_after: COUNT_RESET_AFTER,
        })
    }

    /// No creation takes the number of instances, those on their way out included, past `replicas`, and one
    /// more while an old one runs that is to be rolled.
    fn assert_slots(&self, plan: &Plan) {
        let creations = plan.steps.iter().filter(|step| step.action == Action::Create).count();
        let is_old = |i: &Instance| i.running().is_some() && i.revision.is_outdated(&self.server.revision);
        let is_rolling = self.server.strategy == Strategy::Rolling && self.instances.values().any(is_old);
        let slots = self.server.replicas + usize::from(is_rolling);
        assert!(creations == 0 || self.instances.len() + creations <= slots, "{plan:#?} {self:#?}");
    }

    fn execute(&mut self, step: &Step) {
        match &step.action {
            Action::Create => self.create(),
            Action::Attempt(id) => self.attempt(id),
            Action::Refresh(id) => {
                let instance = &self.instances[id];
                assert!(instance.revision.is_outdated(&self.server.revision), "refreshed without a change");
                self.forgive(id);
                let now = self.now;
                self.books_of(id).may_start(now);
                self.attempt(id);
            }
            Action::Cancel(id) => assert!(matches!(self.work.remove(id), Some(Work::Attempt(_)))),
            Action::Stop(id, then) => {
                let instance = self.instances[id].clone();
                let stopping = self.stopping(instance, then.clone());
                self.instances.insert(id.clone(), stopping);
            }
            Action::ResetCount(id) => {
                let since = self.instances[id].connected_since().unwrap();
                assert!(after(since, COUNT_RESET_AFTER) <= self.now, "forgiven too early");
                self.forgive(id);
            }
            Action::Forget => {
                assert!(self.instances.is_empty() && self.server.wish == Wish::Delete);
                self.is_forgotten = true;
            }
        }
    }

    fn create(&mut self) {
        self.made += 1;
        let id = InstanceId::from(format!("i{}", self.made).as_str());
        let revision = self.server.revision.clone();
        let instance = Instance::new(id.clone(), self.server.name.clone(), revision, self.now);
        self.instances.insert(id.clone(), instance);
        self.books.insert(id, Books::new(self.now));
    }

    fn attempt(&mut self, id: &InstanceId) {
        let instance = self.instances[id].clone();
        assert!(matches!(instance.phase, Phase::Starting | Phase::Failed(_)), "{instance:#?}");
        self.books[id].assert_due(self.now);
        let begun = instance.begin_attempt(self.server.revision.clone(), self.now);
        self.instances.insert(id.clone(), begun);
        let other = self.work.insert(id.clone(), Work::Attempt(self.secret));
        assert_eq!(other, None, "two things under way for {id}");
    }

    fn forgive(&mut self, id: &InstanceId) {
        let instance = self.instances[id].clone().count_reset(self.now);
        self.instances.insert(id.clone(), instance);
        self.books_of(id).forgiven();
    }

    pub(super) fn stopping(&mut self, instance: Instance, then: AfterStop) -> Instance {
        self.work.insert(instance.id.clone(), Work::Stop);
        instance.stopping(then, "so it was decided", self.now)
    }
}

fn assert_one_step_each(plan: &Plan) {
    let mut seen = BTreeSet::new();
    for step in &plan.steps {
        let (Action::Attempt(id)
        | Action::Refresh(id)
        | Action::Cancel(id)
        | Action::Stop(id, _)
        | Action::ResetCount(id)) = &step.action
        else {
            continue;
        };
        assert!(seen.insert(id), "two steps for {id}: {plan:#?}");
    }
}
