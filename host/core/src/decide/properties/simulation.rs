//! A tiny executor: it carries plans out, lets things go wrong, and keeps its own books to compare with.

mod executor;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;

use super::books::Books;
use crate::backoff::{Chance, Schedule};
use crate::check::Verdict;
use crate::decide::{Plan, Rollout};
use crate::fixture::{at, check, missing_secret, server};
use crate::instance::{AfterStop, Exit, Instance, Moment, Phase, Survival};
use crate::name::InstanceId;
use crate::server::{OnUnhealthy, Revision, Server, Strategy, Wish};
use crate::time::after;

/// Passes after which a history without news has to be quiet: cancel, stop or create, attempt, and one over.
const PASSES_UNTIL_QUIET: usize = 5;

/// Rounds of 30 s in which a fleet without faults has to come to rest: longer than the longest delay, the
/// reset of the count and a rollout together.
const ROUNDS_UNTIL_REST: usize = 120;

/// Something that happens to a server or to one of its instances (chosen by number, round and round).
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
    WorkEnds(usize, Outcome),
    Connected(usize),
    Disconnected(usize),
    Checked(usize, Verdict),
    Exited(usize),
    DeletedByHand(usize),
    TimePasses(u64),
    LaunchChanges(u8),
    SecretChanges(Secret),
    Scaled(usize),
    ServerDeleted,
    /// What runs ends with it, or may live on.
    McpdRestarts(Survival),
    EngineGoes(usize),
    EngineComes(usize),
    /// A second handshake was refused.
    Refused(usize),
    /// It ended over one.
    ExitedOverGreeting(usize),
}

/// How an attempt or a stop ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Success,
    Failure,
}

/// The one secret of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Secret {
    Value(u8),
    Missing,
}

/// What the executor has under way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    Attempt(Secret),
    Stop,
}

/// A server, its instances, and the executor's books.
#[derive(Debug)]
pub(super) struct World {
    now: Timestamp,
    server: Server,
    secret: Secret,
    instances: BTreeMap<InstanceId, Instance>,
    books: BTreeMap<InstanceId, Books>,
    work: BTreeMap<InstanceId, Work>,
    made: u64,
    is_forgotten: bool,
}

impl World {
    pub(super) fn new(replicas: usize, strategy: Strategy, restarts: bool) -> Self {
        let on_unhealthy = if restarts { OnUnhealthy::Restart } else { OnUnhealthy::None };
        let mut world = Self {
            now: at(0),
            server: Server { strategy, on_unhealthy, ..server(replicas) },
            secret: Secret::Missing,
            instances: BTreeMap::new(),
            books: BTreeMap::new(),
            work: BTreeMap::new(),
            made: 0,
            is_forgotten: false,
        };
        world.happens(Happening::SecretChanges(Secret::Value(0)));
        world
    }

    /// The outside world acts, without mcpd having looked yet.
    pub(super) fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::TimePasses(seconds) => self.now = after(self.now, Duration::from_secs(seconds)),
            Happening::LaunchChanges(version) => self.server.revision.launch = format!("v{version}"),
            Happening::SecretChanges(secret) => self.secret_changes(secret),
            Happening::Scaled(replicas) => self.server.replicas = replicas,
            Happening::ServerDeleted => self.server.wish = Wish::Delete,
            Happening::McpdRestarts(survival) => self.mcpd_restarts(survival),
            Happening::EngineGoes(which) => self.on(which, |world, i| i.lost_sight("away".into(), world.now)),
            Happening::EngineComes(which) => self.on(which, |world, i| i.sighted(world.now)),
            Happening::Refused(which) => self.on(which, Self::refused),
            Happening::ExitedOverGreeting(which) => self.on(which, Self::exited_over_greeting),
            Happening::WorkEnds(which, outcome) => self.work_ends(which, outcome),
            Happening::Exited(which) => self.on(which, Self::exited),
            Happening::Checked(which, verdict) => self.on(which, |world, i| world.checked(i, verdict)),
            Happening::Connected(which) => self.on(which, |world, i| i.connected("1".into(), world.now)),
            Happening::Disconnected(which) => {
                self.on(which, |world, i| i.disconnected("reset".into(), world.now));
            }
            Happening::DeletedByHand(which) => {
                self.on(which, |world, i| world.stopping(i, AfterStop::Remove));
            }
        }
        self.compare();
    }

    /// No more faults: what is wanted is reached, and nothing is left to do (behaviour 5.1).
    pub(super) fn comes_to_rest(&mut self) {
        self.happens(Happening::SecretChanges(Secret::Value(7)));
        let mut last = self.pass();
        for _ in 0..ROUNDS_UNTIL_REST {
            self.all_goes_well();
            last = self.pass();
        }
        if self.server.wish == Wish::Delete {
            assert!(self.is_forgotten && self.instances.is_empty(), "{self:#?}");
            return;
        }
        assert_eq!(last, Plan { rollout: Rollout::Complete, ..Plan::default() }, "{self:#?}");
        assert_eq!(self.instances.len(), self.server.replicas, "{self:#?}");
        for instance in self.instances.values() {
            assert!(!instance.revision.is_outdated(&self.server.revision), "{instance:#?}");
            assert!(instance.is_ready(), "{instance:#?}");
            assert_eq!(instance.attempts.count, 0);
        }
    }

    /// Without news the executor is not kept busy.
    pub(super) fn passes_until_quiet(&mut self) {
        for _ in 0..PASSES_UNTIL_QUIET {
            if self.pass().steps.is_empty() || self.is_forgotten {
                return;
            }
        }
        panic!("still not quiet: {:#?}", self.decide());
    }

    fn failed(&mut self, id: &InstanceId) {
        let now = self.now;
        self.books_of(id).failed(now);
    }

    fn books_of(&mut self, id: &InstanceId) -> &mut Books {
        self.books.get_mut(id).unwrap()
    }

    fn on(&mut self, which: usize, act: impl FnOnce(&mut Self, Instance) -> Instance) {
        let id = self.instances.keys().nth(which % self.instances.len().max(1)).cloned();
        if let Some((id, instance)) = id.and_then(|id| self.instances.remove_entry(&id)) {
            let next = act(self, instance);
            self.instances.insert(id, next);
        }
    }

    fn work_ends(&mut self, which: usize, outcome: Outcome) {
        let Some(id) = self.work.keys().nth(which % self.work.len().max(1)).cloned() else { return };
        let (work, instance) = (self.work.remove(&id).unwrap(), self.instances.remove(&id).unwrap());
        let next = match work {
            Work::Attempt(secret) => Some(self.attempt_ends(instance, secret, outcome)),
            Work::Stop => self.stop_ends(instance, outcome),
        };
        if let Some(next) = next {
            self.instances.insert(id, next);
        } else {
            self.books.remove(&id);
        }
    }

    fn attempt_ends(&mut self, instance: Instance, secret: Secret, outcome: Outcome) -> Instance {
        if instance.left_running && matches!(outcome, Outcome::Success) {
            self.books_of(&instance.id).adopted();
            let revision = Revision { launch: "v0".to_owned(), secrets: None };
            return instance.adopted(revision, at(0), self.now);
        }
        self.books_of(&instance.id).ended_if_left();
        let instance = instance.missed_exit(Exit::Vanished, self.now);
        self.start_ends(instance, secret, outcome)
    }

    fn start_ends(&mut self, instance: Instance, secret: Secret, outcome: Outcome) -> Instance {
        let moment = self.moment();
        if secret == Secret::Missing {
            self.failed(&instance.id);
            return instance.secrets_missing(&missing_secret(), moment);
        }
        let resolved = instance.secrets_resolved(self.now);
        if matches!(outcome, Outcome::Failure) {
            self.failed(&resolved.id);
            return resolved.start_failed("no such file".to_owned(), moment);
        }
        self.books_of(&resolved.id).started(secret);
        resolved.started(self.now)
    }

    fn stop_ends(&mut self, instance: Instance, outcome: Outcome) -> Option<Instance> {
        let moment = self.moment();
        if matches!(outcome, Outcome::Failure) {
            return Some(instance.stop_failed("permission denied".to_owned(), moment));
        }
        let now = self.now;
        match &instance.phase {
            Phase::Stopping(stopping) => match stopping.then {
                AfterStop::Remove => {}
                AfterStop::Fail(_) => self.books_of(&instance.id).ended(now),
                AfterStop::Again(_) => self.books_of(&instance.id).refused(now),
            },
            _ => unreachable!("a stop of what is not being stopped"),
        }
        instance.gone(moment)
    }

    fn refused(&mut self, instance: Instance) -> Instance {
        if instance.running().is_none() {
            return instance;
        }
        let instance = instance.disconnected("refused".into(), self.now);
        self.stopping(instance, AfterStop::Again("it refused a second handshake".to_owned()))
    }

    fn exited(&mut self, instance: Instance) -> Instance {
        if instance.running().is_some() {
            let now = self.now;
            self.books_of(&instance.id).exited(now);
        }
        let late = !matches!(instance.phase, Phase::Starting);
        let moment = self.moment();
        if late { instance.exited(Exit::Code(137), "", moment) } else { instance }
    }

    fn exited_over_greeting(&mut self, instance: Instance) -> Instance {
        let now = self.now;
        if instance.running().is_some() {
            self.books_of(&instance.id).refused(now);
        }
        instance.exited_when_greeted_again(Exit::Code(1), "", now)
    }

    fn checked(&mut self, instance: Instance, verdict: Verdict) -> Instance {
        let policy = self.server.checks.unwrap();
        if instance.running().is_none() {
            return instance;
        }
        self.books_of(&instance.id).checked(verdict);
        let mut record = check(verdict, "what it found");
        record.calls.clear();
        let health = instance.health.clone().expire(self.now, policy.verdict_lifetime());
        let folded = health.fold(&record, &policy, self.now);
        instance.with_health(folded.health, folded.event, self.now)
    }

    fn secret_changes(&mut self, secret: Secret) {
        self.secret = secret;
        self.server.revision.secrets = match secret {
            Secret::Value(value) => Some(value.to_string()),
            Secret::Missing => None,
        };
    }

    fn mcpd_restarts(&mut self, survival: Survival) {
        self.work.clear();
        let now = self.now;
        for (id, instance) in &mut self.instances {
            if instance.running().is_some() {
                self.books.get_mut(id).unwrap().interrupted(survival, now);
            }
            *instance = instance.clone().interrupted(survival, &Schedule::default(), now);
        }
    }

    fn all_goes_well(&mut self) {
        self.now = after(self.now, Duration::from_secs(30));
        while !self.work.is_empty() {
            self.work_ends(0, Outcome::Success);
        }
        for which in 0..self.instances.len() {
            self.happens(Happening::EngineComes(which));
            self.on(which, |world, i| match i.connected_since() {
                None => i.connected("1".into(), world.now),
                Some(_) => i,
            });
            self.happens(Happening::Checked(which, Verdict::Pass));
        }
    }

    fn moment(&self) -> Moment<'static> {
        static SCHEDULE: LazyLock<Schedule> = LazyLock::new(Schedule::default);
        let bits = u64::try_from(self.now.as_second()).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Moment { now: self.now, schedule: &SCHEDULE, chance: Chance::from_bits(bits) }
    }

    /// What the instances say of themselves agrees with the books.
    fn compare(&mut self) {
        for (id, instance) in &self.instances {
            self.books.get_mut(id).unwrap().compare(instance);
        }
    }
}
