//! Keeps one run: waits for the end of its container, tells it, and removes what is left.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use tokio::time::timeout;

use super::containers::{self, short};
use super::runs::{Claim, Run, RunState, Sign};
use super::seen::{Seen, from_code};
use super::site::Site;
use super::streams::{Over, attach};
use crate::runtime::log::LogBook;
use crate::runtime::{Exit, RuntimeEvent};

/// How long the end of stderr is waited for before an exit is told. The engine sends it before it says that
/// the container ended; an exit has to be known within 200 ms in any case.
const STDERR_DRAIN: Duration = Duration::from_millis(100);

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

    /// How it ended, and when that was noticed. Each sign has it looked at; none is believed by itself, but for
    /// the code of a container that is gone already.
    async fn ended(&mut self, container: &str) -> (Exit, Timestamp) {
        loop {
            let Some(sign) = self.claim.signs.recv().await else { return std::future::pending().await };
            let at = self.site.engine.now();
            if let Some(exit) = self.look(container, sign).await {
                return (exit, at);
            }
        }
    }

    async fn look(&self, container: &str, sign: Sign) -> Option<Exit> {
        let found = containers::inspect(&self.site.engine, container).await;
        match (found, sign) {
            (Ok(Some(Seen { exit: Some(exit), .. })), _) => Some(exit),
            // It ended, whatever became of it since.
            (_, Sign::Died(code)) => Some(from_code(code)),
            (Ok(None), Sign::Look) => Some(Exit::Unseen),
            (Ok(Some(seen)), Sign::Look) => {
                self.mend_log(container, &seen).await;
                None
            }
            (Err(error), Sign::Look) => {
                // On the engine's return everything is looked at again.
                tracing::debug!(container = short(container), %error, "a container could not be looked at");
                None
            }
        }
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
