//! An instance that ended leaves RUNNING at once (behaviour 2.1, 4.5).

use std::sync::Arc;

use mcpd_core::instance::{AttemptReason, Exit, Instance};
use mcpd_core::name::InstanceId;

use super::Context;
use crate::metrics::RestartCause;
use crate::runtime;
use crate::state::{Cell, Greeting};

/// The runtime has seen a run end.
pub(super) fn exited(context: &Context, id: &InstanceId, run: u64, exit: runtime::Exit, stderr_tail: String) {
    if let Some(cell) = context.board.find_instance(id.as_str()) {
        cell.note_exit(run, exit_of(exit), stderr_tail);
        apply(context, &cell, run);
    }
}

/// Lets an exit that was noticed take effect, once the instance is RUNNING with that very run.
pub(super) fn apply(context: &Context, cell: &Arc<Cell>, run: u64) {
    let is_running = cell.read(|instance| instance.running().is_some());
    if !is_running || !cell.is_run(run) {
        return;
    }
    let Some((exit, stderr_tail)) = cell.take_exit(run) else { return };
    let is_refusal =
        is_by_itself(exit) && cell.find_greeting() == Some(Greeting::Again) && cell.spend_fresh_start();
    cell.end_run(run);
    context.checks.forget(&cell.id);
    if is_refusal {
        context.metrics.restarted(&cell.server, RestartCause::HandshakeRefused);
        context.change_urgently(cell, |instance, moment| {
            instance.exited_when_greeted_again(exit, &stderr_tail, moment.now)
        });
        context.ring(cell.server.as_str());
        return;
    }
    context.change_urgently(cell, |instance, moment| instance.exited(exit, &stderr_tail, moment));
    // An exit that came after the order to stop is no attempt of its own.
    let failed =
        |instance: &Instance| instance.next_retry_at().and(instance.error()).map(|error| error.reason);
    if let Some(reason) = cell.read(failed) {
        count(context, cell, reason);
    }
    context.ring(cell.server.as_str());
}

/// Whether the server chose to end, and was not found gone or ended by mcpd.
fn is_by_itself(exit: Exit) -> bool {
    matches!(exit, Exit::Code(_) | Exit::Signal(_) | Exit::OutOfMemory)
}

/// Counts a run that ended as a failed attempt of its own, and as a restart.
pub(super) fn count(context: &Context, cell: &Cell, reason: AttemptReason) {
    context.metrics.attempt(&cell.server, Err(reason));
    let cause = match reason {
        AttemptReason::CrashLoop => RestartCause::CrashLoop,
        AttemptReason::Unhealthy => RestartCause::Unhealthy,
        _ => RestartCause::Exited,
    };
    context.metrics.restarted(&cell.server, cause);
}

/// The runtime's word in the words of core.
pub(super) fn exit_of(exit: runtime::Exit) -> Exit {
    match exit {
        runtime::Exit::Code(code) => Exit::Code(code),
        runtime::Exit::Signal(signal) => Exit::Signal(signal),
        runtime::Exit::OutOfMemory => Exit::OutOfMemory,
        runtime::Exit::Unseen => Exit::Vanished,
    }
}
