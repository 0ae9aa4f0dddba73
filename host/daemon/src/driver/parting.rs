//! The end of a run whose connection is gone for good: told as what it was, or brought about (behaviour 7.2).

use std::time::Duration;

use mcpd_core::instance::{AfterStop, AttemptError, AttemptReason, Exit};
use mcpd_mcp::{CloseReason, Connection};

use super::exits;
use super::link::{ATTACHMENTS_MAX, Line};
use crate::state::Greeting;

/// A server whose stdout ended has as a rule exited, and its exit says more: it is waited for this long.
const EXIT_GRACE: Duration = Duration::from_secs(1);

impl Line {
    /// The connection is gone, and that is no exit.
    pub(super) fn disconnected(&self, words: String) {
        self.context.change(&self.cell, |instance, moment| instance.disconnected(words, moment.now));
    }

    /// The connection is gone, and that may be an exit.
    pub(super) fn cut_off(&self, words: String) {
        self.context.change(&self.cell, |instance, moment| instance.cut_off(words, moment.now));
    }

    /// It took no handshake: a failed attempt, unless it is one that took an earlier one.
    pub(super) fn refused(&self, greeting: Greeting, words: String) {
        self.disconnected(words.clone());
        let again = || format!("it took no second handshake: {words}");
        let reason = AttemptReason::StartFailed;
        self.give_up(match greeting {
            Greeting::First => AfterStop::Fail(AttemptError { reason, message: words }),
            Greeting::Again if self.cell.spend_fresh_start() => AfterStop::Again(again()),
            Greeting::Again => AfterStop::Fail(AttemptError { reason, message: again() }),
        });
    }

    /// A process that cannot be spoken to any more is ended: a failed attempt with the words of why.
    ///
    /// What is left of the connection is held meanwhile: to close stdin now would make a server that only closed
    /// its stdout exit, and its exit would hide what it did.
    pub(super) async fn finish(&self, reason: CloseReason, held: Option<Connection>) {
        self.cut_off(reason.to_string());
        // Told to stop meanwhile, it is not kept waiting for the end of its stdin.
        self.wait_for_end().await;
        if self.is_running() {
            self.disconnected(reason.to_string());
        }
        if let Some(connection) = held {
            connection.close();
        }
        if self.is_running() {
            self.end_run(&reason).await;
        }
    }

    /// It has closed a stream and is still there: it is ended, and its end told as what it was.
    async fn end_run(&self, reason: &CloseReason) {
        let exit = match reason {
            CloseReason::StdinBroken(_) => Exit::ClosedStdin,
            _ => Exit::ClosedStdout,
        };
        self.cell.note_exit(self.run, exit, String::new());
        // Its end takes effect as any other, with the runtime's event and what stderr said.
        self.stop(exit).await;
    }

    /// The runtime has no way to it any more: its end has been told as a rule, or is brought about.
    pub(super) async fn end_unattached(&self, words: String) {
        self.wait_for_end().await;
        if !self.is_running() {
            return;
        }
        self.disconnected(words);
        if self.stop(Exit::Vanished).await {
            self.wait_for_end().await;
            self.cell.note_exit(self.run, Exit::Vanished, String::new());
            exits::apply(&self.context, &self.cell, self.run);
        }
    }

    /// Its container runs, and nobody can speak with its server: a failed attempt.
    pub(super) async fn end_unattachable(&self, words: &str) {
        self.wait_for_end().await;
        if !self.is_running() {
            return;
        }
        let message = format!("no answer over {ATTACHMENTS_MAX} attachments in a row: {words}");
        self.disconnected(message.clone());
        self.give_up(AfterStop::Fail(AttemptError { reason: AttemptReason::Exited, message }));
    }

    /// Whether it could be ended; where not, the driver tries again.
    async fn stop(&self, exit: Exit) -> bool {
        let stopped = self.context.runtime.stop(&self.cell.id).await;
        if let Err(error) = &stopped {
            tracing::error!(instance = %self.cell.id, server = %self.cell.server, %error, "instance not ended");
            let reason = AttemptReason::Exited;
            self.give_up(AfterStop::Fail(AttemptError { reason, message: exit.to_string() }));
        }
        stopped.is_ok()
    }

    /// The driver stops it, and tries again when that fails.
    fn give_up(&self, then: AfterStop) {
        let why = match &then {
            AfterStop::Fail(error) => error.message.clone(),
            AfterStop::Again(words) => words.clone(),
            AfterStop::Remove => String::new(),
        };
        self.context.change_urgently(&self.cell, |instance, moment| {
            if instance.running().is_none() {
                return instance;
            }
            instance.stopping(then, &why, moment.now)
        });
        self.context.ring(self.cell.server.as_str());
    }

    /// Waits a moment for word of its end.
    async fn wait_for_end(&self) {
        // Without such word its end is brought about.
        let _ = tokio::time::timeout(EXIT_GRACE, self.hang_up.cancelled()).await;
    }
}
