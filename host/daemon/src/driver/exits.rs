//! What the runtime notices: an instance that ended leaves RUNNING at once (behaviour 2.1, 4.5).

use std::sync::Arc;
use std::time::Duration;

use mcpd_core::instance::{AttemptReason, Exit, Instance};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Context;
use crate::metrics::RestartCause;
use crate::runtime::{self, RuntimeEvent};
use crate::state::Cell;

/// How often what runs is compared with what the runtime has, behind the events.
const SCAN: Duration = Duration::from_secs(30);

/// Follows the runtime's events until mcpd ends, with a periodic scan behind them.
pub(super) async fn watch(context: Arc<Context>, mut events: Receiver<RuntimeEvent>) {
    let mut scan = tokio::time::interval(SCAN);
    scan.reset();
    loop {
        // What ends because mcpd ends is no exit, and what an event tells of has not vanished.
        tokio::select! {
            biased;
            () = context.end.cancelled() => return,
            event = events.recv() => match event {
                Ok(event) => take(&context, event),
                Err(RecvError::Lagged(_)) => look_for_vanished(&context, &mut events).await,
                Err(RecvError::Closed) => return,
            },
            _ = scan.tick() => look_for_vanished(&context, &mut events).await,
        }
    }
}

fn take(context: &Context, event: RuntimeEvent) {
    let RuntimeEvent::Exited { instance, run, exit, stderr_tail, .. } = event else { return };
    if let Some(cell) = context.board.find_instance(instance.as_str()) {
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
    cell.end_run(run);
    context.checks.forget(&cell.id);
    context.change_urgently(cell, |instance, moment| instance.exited(exit, &stderr_tail, moment));
    // An exit that came after the order to stop is no attempt of its own.
    let failed =
        |instance: &Instance| instance.next_retry_at().and(instance.error()).map(|error| error.reason);
    if let Some(reason) = cell.read(failed) {
        count(context, cell, reason);
    }
    context.ring(cell.server.as_str());
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

/// An instance that is RUNNING here and not there has ended, and the event was missed.
async fn look_for_vanished(context: &Context, events: &mut Receiver<RuntimeEvent>) {
    let running = context.board.instances().into_iter().filter_map(|cell| Some((cell.run_number()?, cell)));
    let before: Vec<_> = running.collect();
    let owned = match context.runtime.list().await {
        Ok(owned) => owned,
        Err(error) => {
            tracing::warn!(%error, "what runs was not compared with what should");
            return;
        }
    };
    // What ended between the two lists has sent word of it, and the word says more.
    while let Ok(event) = events.try_recv() {
        take(context, event);
    }
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
        runtime::Exit::OutOfMemory => Exit::OutOfMemory,
        runtime::Exit::Unseen => Exit::Vanished,
    }
}
