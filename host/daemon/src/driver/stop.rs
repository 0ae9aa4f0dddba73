//! Stopping an instance and proving it gone (behaviour 5.3, 5.5).

use std::sync::Arc;

use mcpd_core::instance::{AfterStop, Instance, Moment, Phase, Stopping};

use super::context::Vigil;
use super::{Context, exits};
use crate::metrics::RestartCause;
use crate::runtime::RuntimeError;
use crate::state::Cell;

/// Stops an instance; what comes after stands in its phase.
pub(super) async fn stop(context: Arc<Context>, cell: Arc<Cell>) {
    context.checks.forget(&cell.id);
    cell.hang_up();
    let vigil = Vigil::begin(&context, &cell);
    if let Err(error) = context.runtime.stop(&cell.id).await {
        return not_stopped(&context, &cell, &vigil, &error);
    }
    if let Some(run) = cell.run() {
        cell.end_run(run.number);
    }
    if cell.read(|instance| is_leaving(&instance.phase)) {
        remove(&context, &cell, &vigil).await;
    } else {
        context.change_safely(&cell, gone).await;
        count(&context, &cell);
    }
}

fn not_stopped(context: &Context, cell: &Arc<Cell>, vigil: &Vigil, error: &RuntimeError) {
    tracing::error!(instance = %cell.id, server = %cell.server, %error, "instance not stopped");
    context.change_urgently(cell, |instance, moment| {
        vigil.kept(instance.stop_failed(error.to_string(), moment), moment)
    });
}

fn count(context: &Context, cell: &Cell) {
    let is_again = cell.read(|instance| instance.phase == Phase::Starting);
    match cell.read(|instance| instance.error().map(|error| error.reason)) {
        Some(reason) => exits::count(context, cell, reason),
        None if is_again => context.metrics.restarted(&cell.server, RestartCause::HandshakeRefused),
        None => {}
    }
}

fn is_leaving(phase: &Phase) -> bool {
    matches!(phase, Phase::Stopping(Stopping { then: AfterStop::Remove, .. }))
}

/// It stays, as a failed attempt; one that was asked to leave meanwhile is found by the next pass.
fn gone(instance: Instance, moment: Moment<'_>) -> Instance {
    if is_leaving(&instance.phase) {
        return instance;
    }
    let before = instance.clone();
    instance.gone(moment).unwrap_or(before)
}

/// Its row, its folder and its logs go with it. While an engine has to answer for that the row stays, so that it is
/// tried again; nothing else would find what is kept of an instance that nobody knows any more.
async fn remove(context: &Context, cell: &Arc<Cell>, vigil: &Vigil) {
    match context.runtime.remove(&cell.id).await {
        Ok(()) => {}
        Err(error @ RuntimeError::EngineAway { .. }) => return not_stopped(context, cell, vigil, &error),
        Err(error) => {
            tracing::warn!(instance = %cell.id, %error, "what was kept of an instance could not be removed");
        }
    }
    match context.ledger.remove(cell).await {
        Ok(()) => context.board.remove_instance(&cell.id),
        Err(error) => tracing::error!(instance = %cell.id, %error, "row of an instance not removed yet"),
    }
}
