//! The one MCP connection of an instance: opened after RUNNING, followed until it ends (behaviour 7.1, 7.2).
//!
//! ```text
//!  streams ─► handshake ─► open ─► ended ── a process ───► it has exited: ended, a failed attempt
//!     ▲           │                   └──── a container ─► attached anew (reattach.rs)
//!     └───────────┼───────────────────────────────────────────┘
//!                 └─► refused ── the first time ─► a failed attempt
//!                             └─ a second time ──► started again at once, once until it is Ready again
//! ```
//!
//! What then becomes of the run is in `parting.rs`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::secret::Redactor;
use mcpd_mcp::{CloseReason, ConnectError, ConnectOptions, Connection, ID_START_MAX, known_version};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::reattach::{Attached, Backoff};
use crate::runtime::Streams;
use crate::state::{Cell, Desired, Greeting};

/// How long the first handshake may take. Checks fail after `startupSeconds` already; this only ends the wait
/// for a server that will never speak. A package may have to be downloaded first.
const FIRST_HANDSHAKE_TIMEOUT: Duration = Duration::from_hours(1);

/// How long a server may take that has been running, and was spoken to, before: nothing has to be loaded, and one
/// that cannot be greeted a second time is started again all the sooner.
const SECOND_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Attachments in a row that end before the server has answered on them, while its engine is well. Who cannot be
/// attached to so often never will be; with the backoff between them that takes half a minute.
pub(super) const ATTACHMENTS_MAX: u32 = 10;

/// Kept of what a server says against one way of the handshake: there are two, and both fit into an event.
const WORDS_BYTES_MAX: usize = 2048;

/// What is said of a container whose streams ended.
const DETACHED: &str = "the attachment to its container ended";

/// What is said of a container that listens on a port.
const NO_HTTP: &str = "this version of mcpd has no HTTP transport";

/// Why there is no connection any more.
enum End {
    /// Its streams ended: a process has exited (behaviour 7.2), a container may run on.
    Closed(CloseReason),
    /// The same, or silence, while its engine was in trouble: that says nothing of the server. In whose words.
    Doubtful(String),
    /// It could not be spoken to; in whose words.
    Refused(String),
}

/// One run of an instance, and the way to what is said with it.
pub(super) struct Line {
    pub(super) context: Arc<Context>,
    pub(super) cell: Arc<Cell>,
    pub(super) desired: Arc<Desired>,
    pub(super) run: u64,
    /// Cancelled when the run is over or is to end.
    pub(super) hang_up: CancellationToken,
}

/// Stays with the connection of a run until it ends, and sees to the end of the run.
pub(super) async fn follow(line: Line, streams: Streams) {
    let end = line.context.end.clone();
    tokio::select! {
        biased;
        () = end.cancelled() => {}
        () = line.hold(streams) => {}
    }
}

impl Line {
    async fn hold(&self, mut streams: Streams) {
        let (mut backoff, mut in_vain) = (Backoff::default(), 0);
        loop {
            if matches!(streams, Streams::Http { .. }) {
                return self.disconnected(NO_HTTP.to_owned());
            }
            let greeting = self.cell.next_greeting(self.run);
            let (end, held) = self.converse(streams, greeting).await;
            if !self.is_running() {
                return;
            }
            if held.is_some() {
                (backoff, in_vain) = (Backoff::default(), 0);
            }
            let words = match end {
                End::Refused(words) => return self.refused(greeting, words),
                End::Closed(reason) if !self.cell.is_contained() => return self.finish(reason, held).await,
                End::Closed(reason) => {
                    in_vain += u32::from(held.is_none());
                    detached(&reason)
                }
                End::Doubtful(words) => format!("{DETACHED}: {words}"),
            };
            self.cut_off(words.clone());
            if in_vain >= ATTACHMENTS_MAX {
                return self.end_unattachable(&words).await;
            }
            match self.reattach(&mut backoff, words.clone()).await {
                Attached::Anew(attached) => streams = attached,
                Attached::Over => return self.end_unattached(words).await,
                Attached::HungUp => return,
            }
        }
    }

    async fn converse(&self, streams: Streams, greeting: Greeting) -> (End, Option<Connection>) {
        let since = self.context.clock.now();
        self.cell.greet(self.run, greeting);
        let ended = match self.open(streams, greeting).await {
            Ok(connection) => {
                self.connected(&connection);
                (End::Closed(connection.closed().await), Some(connection))
            }
            Err(error) => (self.not_opened(error, since).await, None),
        };
        self.cell.set_connection(self.run, None);
        self.context.checks.disconnected(&self.cell.id);
        ended
    }

    async fn not_opened(&self, error: ConnectError, since: Timestamp) -> End {
        // An engine in trouble ends attachments, or passes nothing on, which makes any server silent.
        let may_be_engine = matches!(error, ConnectError::Lost { .. } | ConnectError::Silent { .. })
            && self.cell.is_contained()
            && self.is_running();
        let doubt = if may_be_engine { self.context.runtime.doubt(&self.cell.id, since).await } else { None };
        match (error, doubt) {
            (_, Some(words)) => End::Doubtful(words),
            (ConnectError::Lost { reason, .. }, None) => End::Closed(reason),
            (error, None) => End::Refused(refusal(error, &self.cell.redactor())),
        }
    }

    /// Opens a connection. With `hang_up` the streams are closed, however far the handshake is.
    async fn open(&self, streams: Streams, greeting: Greeting) -> Result<Connection, ConnectError> {
        let options = self.options(greeting);
        let server = options.server.clone();
        let opening = async {
            match streams {
                Streams::Pipes { stdin, stdout } => Connection::open_pipes(stdout, stdin, options).await,
                Streams::Other { stdin, stdout } => Connection::open(stdout, stdin, options).await,
                Streams::Http { .. } => std::future::pending().await,
            }
        };
        let given_up = || ConnectError::Lost { server, reason: CloseReason::ClosedByUs };
        self.hang_up.run_until_cancelled(opening).await.unwrap_or_else(|| Err(given_up()))
    }

    /// What a connection is opened with. Its ids start anew by chance, so that what was asked before over other
    /// streams is never taken for an answer.
    fn options(&self, greeting: Greeting) -> ConnectOptions {
        let id_start = self.context.clock.random() % ID_START_MAX;
        let mut options = ConnectOptions::new(self.cell.server.as_str(), id_start);
        options.pinned = self.desired.manifest.protocol_version.as_deref().and_then(known_version);
        options.handshake_timeout = match greeting {
            Greeting::First => FIRST_HANDSHAKE_TIMEOUT,
            Greeting::Again => SECOND_HANDSHAKE_TIMEOUT,
        };
        let (runtime, id) = (Arc::clone(&self.context.runtime), self.cell.id.clone());
        options.noise = Arc::new(move |line| runtime.append_log(&id, line.as_bytes()));
        options
    }

    fn connected(&self, connection: &Connection) {
        self.cell.set_connection(self.run, Some(connection.clone()));
        if !self.is_running() {
            return;
        }
        let version = connection.protocol_version().to_owned();
        self.context.change(&self.cell, |instance, moment| instance.connected(version, moment.now));
        self.context.checks.connected(&self.cell);
        self.context.ring(self.cell.server.as_str());
    }

    pub(super) fn is_running(&self) -> bool {
        self.cell.is_run(self.run) && self.cell.read(|instance| instance.running().is_some())
    }
}

/// The end of an attachment says nothing of the server behind it.
fn detached(reason: &CloseReason) -> String {
    match reason {
        CloseReason::StdoutBroken(why) | CloseReason::StdinBroken(why) => format!("{DETACHED}: {why}"),
        _ => DETACHED.to_owned(),
    }
}

/// Masked before it is cut: half a secret would not be recognised.
fn refusal(error: ConnectError, redactor: &Redactor) -> String {
    let short = |words: &str| {
        let mut words = redactor.mask(words).into_owned();
        words.truncate(words.floor_char_boundary(WORDS_BYTES_MAX));
        words
    };
    error.map_words(short).to_string()
}

#[cfg(test)]
mod tests {
    use mcpd_core::event::EVENT_MESSAGE_BYTES_MAX;
    use mcpd_core::secret::SecretValue;

    use super::*;

    #[test]
    fn the_words_of_a_refusal_are_masked_and_then_cut() {
        let redactor = Redactor::new([&SecretValue::new("hunter22-hunter22".to_owned())]);
        let initialize = format!("{}hunter22-hunter22", "x".repeat(WORDS_BYTES_MAX - 8));
        let error =
            ConnectError::RefusedBoth { server: "demo".into(), initialize, discover: "y".repeat(8 << 20) };
        let words = refusal(error, &redactor);
        assert!(!words.contains("hunter") && words.ends_with("yyy"), "{words}");
        assert!(words.len() < EVENT_MESSAGE_BYTES_MAX, "{}", words.len());
    }
}
