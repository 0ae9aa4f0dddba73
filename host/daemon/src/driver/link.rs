//! The one MCP connection of an instance: opened after RUNNING, followed until it ends (behaviour 7.1, 7.2).

use std::sync::Arc;
use std::time::Duration;

use mcpd_core::instance::{AfterStop, AttemptError, AttemptReason, Phase};
use mcpd_mcp::{ConnectError, ConnectOptions, Connection, ID_START_MAX, known_version};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Context;
use crate::state::{Cell, Desired};

/// How long the handshake may take. Checks fail after `startupSeconds` already; this only ends the wait for
/// a server that will never speak. A package may have to be downloaded first.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_hours(1);

/// A process whose stdout ended has as a rule exited, and its exit says more: it is waited for this long.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// What the connection is opened with.
pub(super) fn options(context: &Context, cell: &Cell, desired: &Desired) -> ConnectOptions {
    let mut options = ConnectOptions::new(cell.server.as_str(), context.clock.random() % ID_START_MAX);
    options.pinned = desired.manifest.protocol_version.as_deref().and_then(known_version);
    options.handshake_timeout = HANDSHAKE_TIMEOUT;
    let (runtime, id) = (Arc::clone(&context.runtime), cell.id.clone());
    options.noise = Arc::new(move |line| runtime.append_log(&id, line.as_bytes()));
    options
}

/// Opens the connection of a run and stays with it until it ends.
pub(super) async fn follow(
    context: Arc<Context>,
    cell: Arc<Cell>,
    run: u64,
    stdin: Box<dyn AsyncWrite + Send + Unpin>,
    stdout: Box<dyn AsyncRead + Send + Unpin>,
    options: ConnectOptions,
) {
    let opened = tokio::select! {
        () = context.end.cancelled() => return,
        opened = Connection::open(stdout, stdin, options) => opened,
    };
    let (ended, words) = match opened {
        Ok(connection) => {
            connected(&context, &cell, run, &connection);
            tokio::select! {
                () = context.end.cancelled() => return,
                reason = connection.closed() => (true, reason.to_string()),
            }
        }
        Err(ConnectError::Lost { reason, .. }) => (true, reason.to_string()),
        Err(error) => (false, cell.redactor().mask_owned(error.to_string())),
    };
    cell.set_connection(run, None);
    disconnected(&context, &cell, run, words.clone());
    if ended {
        tokio::time::sleep(EXIT_GRACE).await;
    }
    end_unless_exited(&context, &cell, run, words);
}

fn connected(context: &Context, cell: &Arc<Cell>, run: u64, connection: &Connection) {
    cell.set_connection(run, Some(connection.clone()));
    if !cell.is_run(run) {
        return;
    }
    let version = connection.protocol_version().to_owned();
    context.change(cell, |instance, moment| instance.connected(version, moment.now));
    context.checks.connected(cell);
    context.ring(cell.server.as_str());
}

fn disconnected(context: &Context, cell: &Arc<Cell>, run: u64, words: String) {
    if cell.is_run(run) {
        context.change(cell, |instance, moment| match instance.phase {
            Phase::Running(_) => instance.disconnected(words, moment.now),
            _ => instance,
        });
    }
}

/// A process that cannot be spoken to any more is ended: a failed attempt with the words of why.
fn end_unless_exited(context: &Context, cell: &Arc<Cell>, run: u64, words: String) {
    if !cell.is_run(run) {
        return;
    }
    let error = AttemptError { reason: AttemptReason::Exited, message: words };
    context.change(cell, |instance, moment| match instance.phase {
        Phase::Running(_) => {
            let why = error.message.clone();
            instance.stopping(AfterStop::Fail(error), &why, moment.now)
        }
        _ => instance,
    });
    context.ring(cell.server.as_str());
}
