//! Keeps one run: waits for the end of its container, tells it, and removes what is left.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use tokio::time::timeout;

use super::containers::{self, short};
use super::runs::{Claim, Run, RunState, Sign};
use super::seen::{KILLED, Seen, from_code};
use super::site::Site;
use super::streams::{Over, attach};
use crate::runtime::log::LogBook;
use crate::runtime::{Exit, RuntimeError, RuntimeEvent};

/// How long the end of stderr is waited for before an exit is told. The engine sends it before it says that
/// the container ended; an exit has to be known within 200 ms in any case.
const STDERR_DRAIN: Duration = Duration::from_millis(100);

/// How long the engine may take to say why a program was killed. It answers in milliseconds, unless somebody removes
/// the container by force, which holds up the answer until it is gone.
const EXPLAIN_PATIENCE: Duration = Duration::from_millis(80);

/// What keeps a run.
pub(super) struct Keeper {
    pub(super) site: Arc<Site>,
    pub(super) instance: InstanceId,
    pub(super) book: Arc<LogBook>,
    claim: Claim,
}

impl Keeper {
    pub(super) fn new(site: Arc<Site>, instance: InstanceId, book: Arc<LogBook>, claim: Claim) -> Self {
        Self { site, instance, book, claim }
    }

    /// The run.
    pub(super) fn run(&self) -> &Run {
        &self.claim.run
    }

    /// The engine reports it as running.
    pub(super) fn report_running(&self) {
        self.claim.state.send_replace(RunState::Running);
    }

    /// Until its container has ended and is removed, or it is let go.
    pub(super) async fn keep(mut self, container: &str) {
        let run = self.run().clone();
        let (exit, at) = tokio::select! {
            ended = self.ended(container) => ended,
            () = run.until_let_go() => return run.attachment().cancel(),
        };
        self.publish(exit, at).await;
        if let Err(error) = containers::discard(&self.site.engine, container).await {
            // The next attempt, or the scan, finds it by its labels.
            tracing::warn!(instance = %self.instance, %error, "an ended container stays for now");
        }
    }

    /// How it ended, and when that was noticed.
    async fn ended(&mut self, container: &str) -> (Exit, Timestamp) {
        let mut is_out_of_memory = false;
        loop {
            let Some(sign) = self.claim.signs.recv().await else { return std::future::pending().await };
            let at = self.site.engine.now();
            let exit = match sign {
                Sign::OutOfMemory => {
                    is_out_of_memory = true;
                    None
                }
                Sign::Died(Some(KILLED)) if is_out_of_memory => Some(Exit::OutOfMemory),
                Sign::Died(code) => Some(self.explain(container, code).await),
                Sign::Look => self.look(container).await,
            };
            match exit {
                // Its end may have been told while it was looked for.
                Some(Exit::Unseen) => return (from_code(self.told_code()), at),
                Some(exit) => return (exit, at),
                None => {}
            }
        }
    }

    /// The exit that an event told of. Only of a program that was killed more can be known, and not where the
    /// engine is busy with the removal of the container.
    async fn explain(&self, container: &str, code: Option<i64>) -> Exit {
        if code == Some(KILLED)
            && let Ok(Ok(Some(seen))) = timeout(EXPLAIN_PATIENCE, self.inspect(container)).await
        {
            return seen.exit.unwrap_or_else(|| from_code(code));
        }
        from_code(code)
    }

    /// Whether it has ended, as far as the engine can tell.
    async fn look(&self, container: &str) -> Option<Exit> {
        match self.inspect(container).await {
            Ok(Some(Seen { exit: Some(exit), .. })) => Some(exit),
            Ok(Some(seen)) => {
                self.mend_log(container, &seen).await;
                None
            }
            Ok(None) => Some(Exit::Unseen),
            Err(error) => {
                // On the engine's return everything is looked at again.
                tracing::debug!(container = short(container), %error, "a container could not be looked at");
                None
            }
        }
    }

    fn told_code(&mut self) -> Option<i64> {
        let signs = std::iter::from_fn(|| self.claim.signs.try_recv().ok());
        signs.filter_map(|sign| if let Sign::Died(code) = sign { code } else { None }).last()
    }

    async fn inspect(&self, container: &str) -> Result<Option<Seen>, RuntimeError> {
        containers::inspect(&self.site.engine, container).await
    }

    /// A server over HTTP has no connection that asks for new streams when they broke; its log needs them.
    async fn mend_log(&self, container: &str, seen: &Seen) {
        if seen.port.is_none() || !self.run().attachment().is_cancelled() {
            return;
        }
        let engine = &self.site.engine;
        let attached = attach(&engine.docker, container, Arc::clone(&self.book), Over::LogsOnly);
        match engine.attend(attached).await {
            Ok(attached) => self.run().replace_attachment(attached.ended),
            Err(error) => tracing::warn!(instance = %self.instance, %error, "a log has a gap"),
        }
    }

    async fn publish(&self, exit: Exit, at: Timestamp) {
        let _ = timeout(STDERR_DRAIN, self.run().attachment().cancelled()).await;
        // Without a subscriber nobody wants to know.
        let _ = self.site.events.send(RuntimeEvent::Exited {
            instance: self.instance.clone(),
            run: self.run().number,
            exit,
            at,
            stderr_tail: self.book.stderr_tail(),
        });
        self.run().mark_told();
        self.claim.state.send_replace(RunState::Exited);
    }
}
