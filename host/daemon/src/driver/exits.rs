//! What the runtime notices: an instance that ended leaves RUNNING at once (behaviour 2.1, 4.5).

use std::sync::Arc;
use std::time::Duration;

use mcpd_core::instance::{AttemptReason, Exit, Phase};
use tokio::sync::broadcast::error::RecvError;

use super::Context;
use crate::metrics::RestartCause;
use crate::runtime::{self, RuntimeEvent};
use crate::state::Cell;

/// How often what runs is compared with what the runtime has, behind the events.
const SCAN: Duration = Duration::from_secs(30);

/// Follows the runtime's events until mcpd ends, with a periodic scan behind them.
pub(super) async fn watch(context: Arc<Context>) {
    let mut events = context.runtime.subscribe();
    let mut scan = tokio::time::interval(SCAN);
    scan.reset();
    loop {
        tokio::select! {
            () = context.end.cancelled() => return,
            _ = scan.tick() => look_for_vanished(&context).await,
            event = events.recv() => match event {
                Ok(RuntimeEvent::Exited { instance, run, exit, stderr_tail, .. }) => {
                    if let Some(cell) = context.board.find_instance(instance.as_str()) {
                        cell.note_exit(run, exit_of(exit), stderr_tail);
                        apply(&context, &cell, run);
                    }
                }
                Err(RecvError::Lagged(_)) => look_for_vanished(&context).await,
                Err(RecvError::Closed) => return,
            }
        }
    }
}

/// Lets an exit that was noticed take effect, once the instance is RUNNING with that very run.
pub(super) fn apply(context: &Context, cell: &Arc<Cell>, run: u64) {
    let is_running = cell.read(|instance| matches!(instance.phase, Phase::Running(_)));
    if !is_running || !cell.is_run(run) {
        return;
    }
    let Some((exit, stderr_tail)) = cell.take_exit(run) else { return };
    cell.end_run(run);
    context.checks.forget(&cell.id);
    context.change(cell, |instance, moment| instance.exited(exit, &stderr_tail, moment));
    let cause = match cell.read(|instance| instance.error().map(|error| error.reason)) {
        Some(AttemptReason::CrashLoop) => RestartCause::CrashLoop,
        _ => RestartCause::Exited,
    };
    context.metrics.restarted(&cell.server, cause);
    context.ring(cell.server.as_str());
}

/// An instance that is RUNNING here and not there has ended, and the event was missed.
async fn look_for_vanished(context: &Arc<Context>) {
    let before: Vec<_> =
        context.board.instances().into_iter().filter_map(|c| Some((c.run()?.number, c))).collect();
    let Ok(owned) = context.runtime.list().await else { return };
    for (run, cell) in before {
        let is_there = owned.iter().any(|thing| thing.instance == cell.id && thing.run == run);
        if !is_there && cell.is_run(run) {
            cell.note_exit(run, Exit::Vanished, String::new());
            apply(context, &cell, run);
        }
    }
}

fn exit_of(exit: runtime::Exit) -> Exit {
    match exit {
        runtime::Exit::Code(code) => Exit::Code(code),
        runtime::Exit::Signal(signal) => Exit::Signal(signal),
        runtime::Exit::Unseen => Exit::Vanished,
    }
}
