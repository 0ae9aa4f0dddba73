//! The tasks of all servers: one each, started when a server appears, ended when it is forgotten.

use std::collections::HashSet;
use std::sync::Arc;

use mcpd_core::event::EventDraft;
use mcpd_core::instance::{AfterStop, Count, Instance, Moment};
use mcpd_core::name::ServerName;

use super::{Context, boot, exits, server};
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
        context.tasks.spawn(exits::watch(Arc::clone(context), context.runtime.subscribe()));
        for row in boot::load(context).await? {
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

    /// Ends all work in order: no pass, no attempt, then every instance is stopped.
    pub async fn shut_down(&self) {
        self.context.end.cancel();
        self.context.tasks.close();
        self.context.tasks.wait().await;
        let stops = self.context.board.instances().into_iter().map(|cell| {
            let runtime = Arc::clone(&self.context.runtime);
            cell.hang_up();
            async move { runtime.stop(&cell.id).await.map_err(|error| (cell.id.clone(), error)) }
        });
        for stopped in futures::future::join_all(stops).await {
            if let Err((instance, error)) = stopped {
                tracing::error!(%instance, error = %error, "instance not stopped");
            }
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
