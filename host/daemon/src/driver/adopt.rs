//! The first thing an attempt does for a container: to look whether it runs already (behaviour 5.8).
//!
//! After a restart of mcpd, after a start that nobody waited for, and when an engine came back, it is this one
//! path that finds out.

use std::sync::Arc;

use mcpd_api::manifest::Launch;
use mcpd_core::instance::Exit;

use super::attempt::{Fault, if_starting};
use super::{Context, exits};
use crate::metrics::RestartCause;
use crate::runtime::{Adopted, Adoption, RuntimeError};
use crate::state::{Cell, Desired};

/// What was there of an instance that is to be started.
pub(super) enum Found {
    /// It runs, and was taken over.
    Running(Box<Adopted>),
    /// Nothing that could be in the way of a start.
    Nothing,
}

/// Takes over what runs of the instance.
///
/// # Errors
/// Where it cannot be known whether something runs, for then nothing may be started in its place (behaviour 5.3).
pub(super) async fn adopt(context: &Context, cell: &Arc<Cell>, desired: &Desired) -> Result<Found, Fault> {
    let was_left = cell.read(|instance| instance.left_running);
    let is_image = matches!(desired.manifest.launch, Launch::Image { .. });
    let may_be_there = was_left || is_image || matches!(desired.manifest.launch, Launch::Package { .. });
    if !may_be_there {
        return Ok(Found::Nothing);
    }
    match context.runtime.adopt(&cell.id).await {
        Ok(Adoption::Running(adopted)) => return Ok(Found::Running(adopted)),
        Ok(Adoption::Nothing) => ended(context, cell, Exit::Vanished),
        Ok(Adoption::Ended(exit)) => ended(context, cell, exits::exit_of(exit)),
        // Without a runner image a package is a process of the host, and needs no engine; with one its start
        // fails by itself.
        Err(RuntimeError::EngineAway { .. }) if !was_left && !is_image => {}
        Err(error) => return Err(Fault::of(&error)),
    }
    Ok(Found::Nothing)
}

/// What had been left running has ended while nobody watched. What an attempt had left that came to nothing has
/// been told by that attempt.
fn ended(context: &Context, cell: &Arc<Cell>, exit: Exit) {
    if !cell.read(|instance| instance.left_running) {
        return;
    }
    context.metrics.restarted(&cell.server, RestartCause::Exited);
    context.change(cell, |instance, moment| {
        if_starting(instance, moment, |instance, moment| instance.missed_exit(exit, moment.now))
    });
}
