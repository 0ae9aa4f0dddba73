//! The task that drives one server: look, decide, act, look again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use mcpd_core::decide::{Action, Plan, Rollout, Snapshot, Step, decide};
use mcpd_core::event::EventDraft;
use mcpd_core::instance::{AfterStop, AttemptReason, Count, Instance, Phase};
use mcpd_core::name::InstanceId;
use mcpd_core::server::{Revision, Server, Wish};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Context, attempt, stop};
use crate::state::{Cell, Change, Desired, ServerCell};

/// Drives a server until it is forgotten or mcpd ends.
pub(super) async fn drive(context: Arc<Context>, server: Arc<ServerCell>) {
    let scan_at = Instant::now() + context.settings.scan;
    let (work, in_flight) = (JoinSet::new(), HashMap::new());
    let mut driver = Driver { context, server, work, in_flight, scan_at };
    while driver.turn().await == Next::Look {}
    driver.finish().await;
}

/// One server and the work under way for it.
struct Driver {
    context: Arc<Context>,
    server: Arc<ServerCell>,
    work: JoinSet<()>,
    in_flight: HashMap<InstanceId, Work>,
    /// When it looks again though nobody said anything.
    scan_at: Instant,
}

/// An attempt or a stop under way.
struct Work {
    cancel: CancellationToken,
    task: AbortHandle,
}

#[derive(PartialEq, Eq)]
enum Next {
    Look,
    End,
}

impl Driver {
    /// One pass, and the wait for the next reason to look.
    async fn turn(&mut self) -> Next {
        let begun = Instant::now();
        let plan = self.pass().await;
        self.context.metrics.reconcile_pass(begun.elapsed());
        if plan.steps.iter().any(|step| step.action == Action::Forget) && self.forget().await {
            return Next::End;
        }
        self.wait(&plan).await
    }

    async fn wait(&mut self, plan: &Plan) -> Next {
        let look_at = plan.look_again_at.map(|at| self.context.clock.instant_of(at));
        let look_at = look_at.map_or(self.scan_at, |at| at.min(self.scan_at));
        tokio::select! {
            biased;
            () = self.context.end.cancelled() => return Next::End,
            Some(done) = self.work.join_next_with_id() => self.done(done.map_or_else(|e| e.id(), |(id, ())| id)),
            () = self.server.bell.notified() => {}
            () = tokio::time::sleep_until(look_at) => {}
        }
        if self.scan_at <= Instant::now() {
            self.scan_at = Instant::now() + self.context.settings.scan;
            self.server.doubt_secrets();
        }
        Next::Look
    }

    /// Snapshot → decide → execute.
    async fn pass(&mut self) -> Plan {
        let desired = self.server.desired();
        let secrets = if desired.wish == Wish::Keep { self.secrets(&desired).await } else { None };
        let wanted = desired.to_core(secrets);
        let cells = self.context.board.instances_of(self.server.name.as_str());
        let instances: Vec<Instance> = cells.iter().map(|cell| cell.snapshot()).collect();
        let in_flight: BTreeSet<InstanceId> = self.in_flight.keys().cloned().collect();
        let plan = decide(&Snapshot {
            now: self.context.clock.now(),
            server: &wanted,
            instances: &instances,
            in_flight: &in_flight,
            count_reset_after: self.context.settings.count_reset_after,
        });
        self.cancel_unwanted(&instances);
        for step in &plan.steps {
            tracing::debug!(server = %self.server.name, action = ?step.action, why = %step.why, "step");
            self.execute(step, &desired, &wanted);
        }
        self.publish(&plan).await;
        plan
    }

    /// Work on what is to be stopped, or was forgotten by force.
    fn cancel_unwanted(&self, instances: &[Instance]) {
        let is_wanted = |i: &Instance, id: &InstanceId| i.id == *id && !matches!(i.phase, Phase::Stopping(_));
        for id in self.in_flight.keys() {
            if !instances.iter().any(|instance| is_wanted(instance, id)) {
                self.cancel(id);
            }
        }
    }

    /// Shows what was decided, and says it where a rollout got stuck.
    async fn publish(&self, plan: &Plan) {
        let before = self.server.replace_plan(plan.clone()).rollout;
        if !plan.steps.is_empty() || before != plan.rollout {
            self.context.board.publish(Change::Server(self.server.name.clone()));
        }
        let Rollout::Stuck { instance, .. } = &plan.rollout else { return };
        if before == plan.rollout {
            return;
        }
        let words = format!("new instance {instance} did not become Ready in time, the old ones stay");
        let (event, now) = (EventDraft::warning("RolloutStuck", words), self.context.clock.now());
        if let Err(error) = self.context.store.append_server_event(&self.server.name, &event, now).await {
            tracing::warn!(server = %self.server.name, %error, "event not written");
        }
    }

    /// The hash of the secrets in use, asked for anew when somebody said that it may have changed.
    async fn secrets(&self, desired: &Desired) -> Option<String> {
        if let Some(doubt) = self.server.find_doubt() {
            tokio::select! {
                () = self.context.end.cancelled() => {}
                hash = self.context.secrets.fingerprint(&desired.env) => {
                    if self.server.settle_secrets(doubt, hash) {
                        self.secrets_came();
                    }
                }
            }
        }
        self.server.secrets()
    }

    /// Nobody says that a backend answers again or that a file was put there; who waited for it learns it here
    /// (behaviour 3.7, 4.6).
    fn secrets_came(&self) {
        let waits = |instance: &Instance| {
            let reason = instance.next_retry_at().and(instance.error()).map(|error| error.reason);
            reason == Some(AttemptReason::SecretsUnresolved)
        };
        self.context.wake(&self.server, Count::Keep, waits);
    }

    fn execute(&mut self, step: &Step, desired: &Arc<Desired>, wanted: &Server) {
        match &step.action {
            Action::Create => self.create(wanted),
            Action::Attempt(id) => self.attempt(id, desired, wanted),
            Action::Refresh(id) => {
                if let Some(cell) = self.context.board.find_instance(id.as_str()) {
                    self.context.change(&cell, |instance, moment| {
                        instance.woken(moment.now, Count::Reset, moment.now)
                    });
                }
                self.attempt(id, desired, wanted);
            }
            Action::Cancel(id) => self.cancel(id),
            Action::Stop(id, then) => self.stop(id, then, &step.why),
            Action::ResetCount(id) => {
                if let Some(cell) = self.context.board.find_instance(id.as_str()) {
                    self.context.change(&cell, |instance, moment| instance.count_reset(moment.now));
                }
            }
            Action::Forget => {}
        }
    }

    fn create(&self, wanted: &Server) {
        let now = self.context.clock.now();
        let id = loop {
            let id = InstanceId::from_chance(self.context.clock.random());
            if self.context.board.find_instance(id.as_str()).is_none() {
                break id;
            }
        };
        let revision = Revision { secrets: None, ..wanted.revision.clone() };
        let cell = Cell::new(Instance::new(id, wanted.name.clone(), revision, now), now);
        self.context.board.put_instance(&cell);
        self.context.ledger.note(&cell);
        self.server.bell.notify_one();
    }

    fn attempt(&mut self, id: &InstanceId, desired: &Arc<Desired>, wanted: &Server) {
        let Some(cell) = self.context.board.find_instance(id.as_str()) else { return };
        let cancel = self.context.end.child_token();
        let work = attempt::attempt(
            Arc::clone(&self.context),
            cell,
            Arc::clone(desired),
            wanted.revision.clone(),
            cancel.clone(),
        );
        self.begin(id, cancel, work);
    }

    fn stop(&mut self, id: &InstanceId, then: &AfterStop, why: &str) {
        let Some(cell) = self.context.board.find_instance(id.as_str()) else { return };
        let then = then.clone();
        self.context.change_urgently(&cell, |instance, moment| instance.stopping(then, why, moment.now));
        if self.in_flight.contains_key(id) {
            // The work under way ends first; the pass after it stops what is there.
            self.cancel(id);
            return;
        }
        self.begin(id, CancellationToken::new(), stop::stop(Arc::clone(&self.context), cell));
    }

    fn begin(
        &mut self,
        id: &InstanceId,
        cancel: CancellationToken,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.work.spawn(work);
        self.in_flight.insert(id.clone(), Work { cancel, task });
    }

    fn cancel(&self, id: &InstanceId) {
        if let Some(work) = self.in_flight.get(id) {
            work.cancel.cancel();
        }
    }

    fn done(&mut self, task: tokio::task::Id) {
        self.in_flight.retain(|_, work| work.task.id() != task);
    }

    /// Removes the rows of a deleted server whose instances are proved gone (behaviour 5.6).
    async fn forget(&self) -> bool {
        match self.context.store.forget_server(&self.server.name).await {
            // Made anew under its name meanwhile, it is driven on.
            Ok(()) if !self.context.board.forget_server(&self.server) => false,
            Ok(()) => {
                self.context.metrics.forget_server(&self.server.name);
                self.context.checks.forget_server(&self.server.name);
                true
            }
            Err(error) => {
                tracing::error!(server = %self.server.name, error = %error, "server not forgotten yet");
                false
            }
        }
    }

    /// Lets the work under way end: attempts are cancelled with mcpd's own end, stops are bounded.
    async fn finish(mut self) {
        while self.work.join_next().await.is_some() {}
    }
}
