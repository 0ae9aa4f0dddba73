//! The one MCP connection of an instance: opened after RUNNING, followed until it ends (behaviour 7.1, 7.2).

use std::sync::Arc;
use std::time::Duration;

use mcpd_core::instance::{AfterStop, AttemptError, AttemptReason, Exit};
use mcpd_core::secret::Redactor;
use mcpd_mcp::{CloseReason, ConnectError, ConnectOptions, Connection, ID_START_MAX, known_version};
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::runtime::Streams;
use crate::state::{Cell, Desired};

/// How long the handshake may take. Checks fail after `startupSeconds` already; this only ends the wait for
/// a server that will never speak. A package may have to be downloaded first.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_hours(1);

/// A process whose stdout ended has as a rule exited, and its exit says more: it is waited for this long.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// Kept of what a server says against one way of the handshake: there are two, and both fit into an event.
const WORDS_BYTES_MAX: usize = 2048;

/// Why there is no connection any more.
enum End {
    /// The server closed one of its streams: it has exited (behaviour 7.2).
    Closed(CloseReason),
    /// It could not be spoken to; in whose words.
    Refused(String),
}

/// What the connection is opened with.
pub(super) fn options(context: &Context, cell: &Cell, desired: &Desired) -> ConnectOptions {
    let mut options = ConnectOptions::new(cell.server.as_str(), context.clock.random() % ID_START_MAX);
    options.pinned = desired.manifest.protocol_version.as_deref().and_then(known_version);
    options.handshake_timeout = HANDSHAKE_TIMEOUT;
    let (runtime, id) = (Arc::clone(&context.runtime), cell.id.clone());
    options.noise = Arc::new(move |line| runtime.append_log(&id, line.as_bytes()));
    options
}

/// Opens the connection of a run. With `hang_up` the streams are closed, however far the handshake is.
pub(super) async fn open(
    streams: Streams,
    options: ConnectOptions,
    hang_up: CancellationToken,
) -> Result<Connection, ConnectError> {
    let server = options.server.clone();
    let opening = async {
        match streams {
            Streams::Pipes { stdin, stdout } => Connection::open_pipes(stdout, stdin, options).await,
            Streams::Other { stdin, stdout } => Connection::open(stdout, stdin, options).await,
            Streams::Http { .. } => std::future::pending().await,
        }
    };
    let given_up = || ConnectError::Lost { server, reason: CloseReason::ClosedByUs };
    hang_up.run_until_cancelled(opening).await.unwrap_or_else(|| Err(given_up()))
}

/// Stays with the connection of a run until it ends, and sees to the end of the run.
pub(super) async fn follow(
    context: Arc<Context>,
    cell: Arc<Cell>,
    run: u64,
    opening: impl Future<Output = Result<Connection, ConnectError>>,
) {
    let work = async {
        let (end, held) = converse(&context, &cell, run, opening).await;
        if is_running(&cell, run) {
            finish(&context, &cell, run, end, held).await;
        }
    };
    tokio::select! {
        biased;
        () = context.end.cancelled() => {}
        () = work => {}
    }
}

async fn converse(
    context: &Context,
    cell: &Arc<Cell>,
    run: u64,
    opening: impl Future<Output = Result<Connection, ConnectError>>,
) -> (End, Option<Connection>) {
    let ended = match opening.await {
        Ok(connection) => {
            connected(context, cell, run, &connection);
            (End::Closed(connection.closed().await), Some(connection))
        }
        Err(ConnectError::Lost { reason, .. }) => (End::Closed(reason), None),
        Err(error) => (End::Refused(refusal(error, &cell.redactor())), None),
    };
    cell.set_connection(run, None);
    ended
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

fn connected(context: &Context, cell: &Arc<Cell>, run: u64, connection: &Connection) {
    cell.set_connection(run, Some(connection.clone()));
    if !is_running(cell, run) {
        return;
    }
    let version = connection.protocol_version().to_owned();
    context.change(cell, |instance, moment| instance.connected(version, moment.now));
    context.checks.connected(cell);
    context.ring(cell.server.as_str());
}

/// A process that cannot be spoken to any more is ended: a failed attempt with the words of why.
///
/// What is left of the connection is held meanwhile: to close stdin now would make a server that only closed its
/// stdout exit, and its exit would hide what it did.
async fn finish(context: &Arc<Context>, cell: &Arc<Cell>, run: u64, end: End, held: Option<Connection>) {
    let words = match &end {
        End::Closed(reason) => reason.to_string(),
        End::Refused(words) => words.clone(),
    };
    context.change(cell, |instance, moment| instance.disconnected(words.clone(), moment.now));
    match end {
        End::Refused(_) => give_up(context, cell, AttemptReason::StartFailed, words),
        End::Closed(reason) => {
            let hang_up = cell.run().map(|run| run.hang_up).unwrap_or_default();
            // Told to stop meanwhile, it is not kept waiting for the end of its stdin.
            let _ = tokio::time::timeout(EXIT_GRACE, hang_up.cancelled()).await;
            if let Some(connection) = held {
                connection.close();
            }
            if is_running(cell, run) {
                end_run(context, cell, run, &reason).await;
            }
        }
    }
}

/// It has closed a stream and is still there: it is ended, and its end told as what it was.
async fn end_run(context: &Arc<Context>, cell: &Arc<Cell>, run: u64, reason: &CloseReason) {
    let exit = match reason {
        CloseReason::StdinBroken(_) => Exit::ClosedStdin,
        _ => Exit::ClosedStdout,
    };
    cell.note_exit(run, exit, String::new());
    // Its end takes effect as any other, with the runtime's event and what stderr said.
    if let Err(error) = context.runtime.stop(&cell.id).await {
        tracing::error!(instance = %cell.id, server = %cell.server, %error, "instance not ended");
        give_up(context, cell, AttemptReason::Exited, exit.to_string());
    }
}

/// The driver stops it, and tries again when that fails.
fn give_up(context: &Context, cell: &Arc<Cell>, reason: AttemptReason, message: String) {
    let error = AttemptError { reason, message };
    context.change_urgently(cell, |instance, moment| {
        if instance.running().is_none() {
            return instance;
        }
        let why = error.message.clone();
        instance.stopping(AfterStop::Fail(error), &why, moment.now)
    });
    context.ring(cell.server.as_str());
}

fn is_running(cell: &Cell, run: u64) -> bool {
    cell.is_run(run) && cell.read(|instance| instance.running().is_some())
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
