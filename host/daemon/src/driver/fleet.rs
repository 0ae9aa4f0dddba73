//! The tasks of all servers: one each, started when a server appears, ended when it is forgotten.

use std::collections::HashSet;
use std::sync::Arc;

use futures::future::join_all;
use mcpd_core::event::EventDraft;
use mcpd_core::instance::{AfterStop, Count, Instance, Moment};
use mcpd_core::name::ServerName;

use super::{Context, boot, orphans, server, watch};
use crate::metrics::RestartCause;
use crate::state::{Cell, Defaults, Desired, DesiredError, ServerCell};
use crate::store::ServerRow;

/// All servers at work.
pub struct Fleet {
    context: Arc<Context>,
    defaults: Defaults,
}

impl Fleet {
    /// A fleet with nobody in it.
    pub fn new(context: Arc<Context>, defaults: Defaults) -> Self {
        Self { context, defaults }
    }

    /// Takes over what the store holds, ends what an earlier mcpd left, and starts to drive. Servers whose
    /// manifest cannot be read are left alone and named in the log; their instances say why they do not run.
    pub async fn boot(&self) -> anyhow::Result<()> {
        let context = &self.context;
        let events = context.runtime.subscribe();
        let rows = boot::load(context).await?;
        // Not before all instances are on the board: what it does not know is removed.
        context.tasks.spawn(watch::watch(Arc::clone(context), events));
        for row in rows {
            if let Err(error) = self.server_changed(&row) {
                tracing::error!(server = %row.name, error = %error, "server left alone");
                self.leave(&row.name, &error);
            }
        }
        Ok(())
    }

    /// Nobody attempts what cannot be read, so it must not look as if somebody did.
    fn leave(&self, server: &ServerName, error: &DesiredError) {
        for cell in self.context.board.instances_of(server.as_str()) {
            let words = error.to_string();
            self.context.change_urgently(&cell, |instance, moment| instance.start_failed(words, moment));
        }
    }

    /// What is wanted of a server was written to the store.
    pub fn server_changed(&self, row: &ServerRow) -> Result<(), DesiredError> {
        let desired = Desired::from_row(row, &self.defaults)?;
        let before = self.context.board.find_server(row.name.as_str()).map(|server| server.desired());
        let server = self.context.board.put_server(desired);
        if let Some(before) = before {
            self.compare(&before, &server);
        }
        self.ensure_driven(&server);
        server.bell.notify_one();
        Ok(())
    }

    /// What takes effect in place, without a pass of the driver.
    fn compare(&self, before: &Desired, server: &ServerCell) {
        let now = server.desired();
        if before.check != now.check {
            self.context.checks.changed(&server.name);
        }
        if before.restart_nonce != now.restart_nonce {
            for cell in self.context.board.instances_of(server.name.as_str()) {
                self.count_requested(&cell);
            }
        }
    }

    fn count_requested(&self, cell: &Cell) {
        if cell.run_number().is_some() {
            self.context.metrics.restarted(&cell.server, RestartCause::Requested);
        }
    }

    /// A secret was written or deleted: who waits for it is attempted at once, with a fresh count, and who
    /// uses it is rolled when its value changed (behaviour 3.7, 4.6).
    pub fn secret_changed(&self, secret: &str) {
        self.wake(Count::Reset, |desired| desired.secret_refs().any(|reference| reference.name == secret));
    }

    /// A backend was changed or recovered: who waits for a secret in it, or for one that nobody knows, is
    /// attempted at once; the count goes on. When the secrets cannot be listed, any may be in it.
    pub async fn backend_changed(&self, backend: &str) {
        let rows = self.context.store.list_secrets().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "secrets not listed, so all who wait for one are attempted");
            Vec::new()
        });
        let elsewhere: HashSet<_> =
            rows.iter().filter(|row| row.backend != backend).map(|row| row.name.as_str()).collect();
        self.wake(Count::Keep, |desired| {
            desired.secret_refs().any(|reference| !elsewhere.contains(reference.name.as_str()))
        });
    }

    /// A person wants this instance gone; another takes its place. When this returns true that is safe on
    /// disk; false leaves it wanted, but a crash would forget it.
    pub async fn delete_instance(&self, cell: &Arc<Cell>) -> bool {
        self.count_requested(cell);
        let leave = |instance: Instance, moment: Moment<'_>| {
            instance.stopping(AfterStop::Remove, "a person asked for it", moment.now)
        };
        let is_kept = self.context.change_safely(cell, leave).await;
        self.context.ring(cell.server.as_str());
        is_kept
    }

    /// Something was done to the instance that people should find among its events.
    pub fn tell(&self, cell: &Arc<Cell>, event: EventDraft) {
        self.context.change(cell, |mut instance, moment| {
            instance.events.push(event, moment.now);
            instance
        });
    }

    /// The server is to be deleted, which is written already, and a person does not want to wait until its
    /// instances are proved gone: their rows go now, and its own with the next pass. True as for
    /// [`Self::forget_instance`].
    pub async fn forget_server(&self, server: &ServerName) -> bool {
        let cells = self.context.board.instances_of(server.as_str());
        let forgotten = join_all(cells.iter().map(|cell| self.forget_instance(cell))).await;
        self.context.ring(server.as_str());
        forgotten.into_iter().all(|is_kept| is_kept)
    }

    /// A person does not want to wait until this instance is proved gone, be it because its engine is away: its row
    /// goes now, and another takes its place. What may be left of it is removed behind its back, by the next scan
    /// where nothing else can. When this returns true that is safe on disk; false leaves it to be stopped.
    pub async fn forget_instance(&self, cell: &Arc<Cell>) -> bool {
        let context = &self.context;
        tracing::warn!(instance = %cell.id, server = %cell.server, "forgotten by force");
        context.change(cell, |instance, moment| {
            instance.stopping(AfterStop::Remove, "it is forgotten by force", moment.now)
        });
        context.checks.forget(&cell.id);
        cell.hang_up();
        let forgotten = context.ledger.remove(cell).await;
        match &forgotten {
            Ok(()) => context.board.remove_instance(&cell.id),
            Err(error) => tracing::error!(instance = %cell.id, %error, "row of an instance not removed yet"),
        }
        context.ring(cell.server.as_str());
        self.remove_leftovers(cell);
        forgotten.is_ok()
    }

    fn remove_leftovers(&self, cell: &Cell) {
        let (context, id) = (Arc::clone(&self.context), cell.id.clone());
        self.context.tasks.spawn(async move {
            let end = context.end.clone();
            end.run_until_cancelled(orphans::remove(&context, &id)).await;
        });
    }

    /// Ends all work in order: no pass, no attempt, then every process is stopped. Containers stay, and their
    /// instances are RUNNING in the store, so that the next mcpd takes them over (behaviour 5.7).
    pub async fn shut_down(&self) {
        self.context.end.cancel();
        self.context.tasks.close();
        self.context.tasks.wait().await;
        join_all(self.context.board.instances().iter().map(|cell| self.leave_instance(cell))).await;
    }

    async fn leave_instance(&self, cell: &Cell) {
        if !cell.is_contained() {
            cell.hang_up();
        }
        if let Err(error) = self.context.runtime.leave(&cell.id).await {
            tracing::error!(instance = %cell.id, %error, "instance not stopped");
        }
    }

    fn wake(&self, count: Count, uses: impl Fn(&Desired) -> bool) {
        let context = &self.context;
        for server in context.board.servers().into_iter().filter(|server| uses(&server.desired())) {
            context.wake(&server, count, |instance| instance.next_retry_at().is_some());
            server.doubt_secrets();
            server.bell.notify_one();
        }
    }

    fn ensure_driven(&self, server: &Arc<ServerCell>) {
        if server.claim() {
            self.context.tasks.spawn(server::drive(Arc::clone(&self.context), Arc::clone(server)));
        }
    }
}
