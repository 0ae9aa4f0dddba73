//! A start attempt: resolve env → start → connect. It succeeds or fails as a whole (behaviour 1, 3.2).

use std::sync::Arc;

use mcpd_core::env::{Env, EnvError};
use mcpd_core::instance::{AttemptReason, Count, Instance, Moment, Phase};
use mcpd_core::server::Revision;
use tokio_util::sync::CancellationToken;

use super::{Context, exits, launch, link};
use crate::runtime::{Progress, Started};
use crate::state::{Cell, Desired, Run};

/// Attempts to start an instance; what came of it stands in the cell.
pub(super) async fn attempt(
    context: Arc<Context>,
    cell: Arc<Cell>,
    desired: Arc<Desired>,
    revision: Revision,
    cancel: CancellationToken,
) {
    let place = tokio::select! {
        biased;
        () = cancel.cancelled() => return,
        place = context.starts.acquire() => place,
    };
    let Ok(_place) = place else { return };
    // The intent stands on disk before anything runs: a new mcpd then knows where to look.
    if !context.change_safely(&cell, while_starting_or_failed(revision)).await {
        let words = "the store does not answer, so nothing was started".to_owned();
        context.change_urgently(&cell, |instance, moment| {
            if_starting(instance, moment, |i, m| i.start_failed(words, m))
        });
        return;
    }
    let outcome = tokio::select! {
        biased;
        () = cancel.cancelled() => Outcome::Cancelled,
        outcome = resolve_and_start(&context, &cell, &desired) => outcome,
    };
    conclude(&context, &cell, &desired, outcome).await;
}

enum Outcome {
    Started(Box<Started>, Env),
    Failed,
    Cancelled,
}

async fn resolve_and_start(context: &Arc<Context>, cell: &Arc<Cell>, desired: &Desired) -> Outcome {
    let server = context.board.find_server(cell.server.as_str());
    let wakes = || server.as_ref().map(|server| server.wakes());
    let wakes_before = wakes();
    let resolved = match context.secrets.resolve(&desired.env).await {
        Ok(resolved) => resolved,
        Err(error) => {
            count_missing(context, cell, &error);
            // A secret that came while others were asked for has woken nobody; so nobody goes to sleep.
            let fail = |i: Instance, m: Moment<'_>| match i.secrets_missing(&error, m) {
                failed if wakes() == wakes_before => failed,
                failed => failed.woken(m.now, Count::Keep, m.now),
            };
            context.change_safely(cell, |instance, moment| if_starting(instance, moment, fail)).await;
            return Outcome::Failed;
        }
    };
    context.change(cell, |mut instance, moment| {
        instance.revision.secrets = Some(resolved.fingerprint.clone());
        if_starting(instance, moment, |i, m| i.secrets_resolved(m.now))
    });
    match start(context, cell, desired, &resolved.env).await {
        Ok(started) => Outcome::Started(Box::new(started), resolved.env),
        Err(words) => {
            context.metrics.attempt(&cell.server, Err(AttemptReason::StartFailed));
            let words = resolved.env.redactor.mask_owned(words);
            let fail = |i: Instance, m: Moment<'_>| i.start_failed(words, m);
            context.change_safely(cell, |instance, moment| if_starting(instance, moment, fail)).await;
            Outcome::Failed
        }
    }
}

fn count_missing(context: &Context, cell: &Cell, error: &EnvError) {
    for missing in &error.0 {
        context.metrics.secret_failure(&missing.cause.backend, &missing.cause.failure);
    }
    context.metrics.attempt(&cell.server, Err(AttemptReason::SecretsUnresolved));
}

async fn start(context: &Context, cell: &Cell, desired: &Desired, env: &Env) -> Result<Started, String> {
    let revision = cell.read(|instance| instance.revision.clone());
    let request = launch::start_request(cell, desired, revision, env, Progress::default())?;
    context.runtime.start(request).await.map_err(|error| words(&error))
}

/// An error with all its causes, on one line.
fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn conclude(context: &Arc<Context>, cell: &Arc<Cell>, desired: &Desired, outcome: Outcome) {
    match outcome {
        Outcome::Failed => {}
        Outcome::Cancelled => {
            // A start that was dropped is ended by the runtime; here it is waited for.
            if let Err(error) = context.runtime.stop(&cell.id).await {
                tracing::error!(instance = %cell.id, error = %words(&error), "cancelled start not ended");
            }
        }
        Outcome::Started(started, env) => running(context, cell, desired, *started, &env).await,
    }
}

/// The runtime reports it running: from here on its end is an exit, and its connection is opened.
async fn running(context: &Arc<Context>, cell: &Arc<Cell>, desired: &Desired, started: Started, env: &Env) {
    let Started { run, handle, pid, container, streams } = started;
    let hang_up = CancellationToken::new();
    cell.set_run(Run {
        number: run,
        handle: Some(handle.0),
        pid,
        container_id: container.as_ref().map(|container| container.id.clone()),
        image: container.map(|container| container.image),
        redactor: env.redactor.clone(),
        connection: None,
        hang_up: hang_up.clone(),
    });
    context.metrics.attempt(&cell.server, Ok(()));
    let started = |instance, moment: Moment<'_>| if_starting(instance, moment, |i, m| i.started(m.now));
    context.change_safely(cell, started).await;
    context.checks.started(cell);
    // It may have ended before it was known to run.
    exits::apply(context, cell, run);
    let opening = link::open(streams, link::options(context, cell, desired), hang_up);
    context.tasks.spawn(link::follow(Arc::clone(context), Arc::clone(cell), run, opening));
}

/// An instance that was told to stop meanwhile keeps to that.
fn if_starting(
    instance: Instance,
    moment: Moment<'_>,
    change: impl FnOnce(Instance, Moment<'_>) -> Instance,
) -> Instance {
    if matches!(instance.phase, Phase::Starting) { change(instance, moment) } else { instance }
}

fn while_starting_or_failed(revision: Revision) -> impl FnOnce(Instance, Moment<'_>) -> Instance {
    move |instance, moment| match instance.phase {
        Phase::Starting | Phase::Failed(_) => instance.begin_attempt(revision, moment.now),
        Phase::Running(_) | Phase::Stopping(_) => instance,
    }
}
