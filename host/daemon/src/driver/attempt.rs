//! A start attempt: take over what runs, else resolve env → start → connect. It succeeds or fails as a whole
//! (behaviour 1, 3.2, 5.8).

use std::sync::{Arc, Mutex, PoisonError};

use mcpd_core::env::{Env, EnvError};
use mcpd_core::instance::{AttemptReason, Instance, Moment, Phase};
use mcpd_core::server::Revision;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::adopt::{self, Found};
use super::context::Vigil;
use super::run::{self, Begun};
use super::{Context, launch};
use crate::runtime::{Progress, RuntimeError, StartProgress, Started};
use crate::state::{Cell, Desired};
use crate::withheld::refusals;

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
        place = Arc::clone(&context.starts).acquire_owned() => place,
    };
    let Ok(place) = place else { return };
    let place = Arc::new(Mutex::new(Some(place)));
    // The intent stands on disk before anything runs: a new mcpd then knows where to look.
    if !context.change_safely(&cell, while_starting_or_failed(revision)).await {
        let words = "the store does not answer, so nothing was started".to_owned();
        context.change_urgently(&cell, |instance, moment| {
            if_starting(instance, moment, |i, m| i.start_failed(words, m))
        });
        return;
    }
    let vigil = Vigil::begin(&context, &cell);
    let found = tokio::select! {
        biased;
        // What may run is left as it is: who wants it to end has it stopped.
        () = cancel.cancelled() => return,
        found = adopt::adopt(&context, &cell, &desired) => found,
    };
    let begun = match found {
        Ok(Found::Running(adopted)) => Some(Begun::adopted(*adopted)),
        Ok(Found::Nothing) => begin_anew(&context, &cell, &desired, &vigil, &cancel, &place).await,
        Err(fault) => {
            fail(&context, &cell, &vigil, fault).await;
            None
        }
    };
    if let Some(begun) = begun {
        run::begin(&context, &cell, &desired, begun).await;
    }
}

/// One of the places for attempts, until the attempt ends or gives it back.
type Place = Arc<Mutex<Option<OwnedSemaphorePermit>>>;

/// Why an attempt failed: a runtime that is away is told from one that refuses.
pub(super) struct Fault {
    reason: AttemptReason,
    words: String,
}

impl Fault {
    pub(super) fn of(error: &RuntimeError) -> Self {
        let reason = match error {
            RuntimeError::EngineAway { .. } => AttemptReason::RuntimeUnreachable,
            _ => AttemptReason::StartFailed,
        };
        Self { reason, words: words(error) }
    }
}

/// Starts what does not run; none where that failed, or was cancelled.
async fn begin_anew(
    context: &Arc<Context>,
    cell: &Arc<Cell>,
    desired: &Desired,
    vigil: &Vigil,
    cancel: &CancellationToken,
    place: &Place,
) -> Option<Begun> {
    let started = tokio::select! {
        biased;
        () = cancel.cancelled() => {
            // A start that was dropped is ended by the runtime; here it is waited for.
            if let Err(error) = context.runtime.stop(&cell.id).await {
                tracing::error!(instance = %cell.id, error = %words(&error), "cancelled start not ended");
            }
            return None;
        }
        started = resolve_and_start(context, cell, desired, vigil, place) => started,
    };
    started.map(|(started, env)| Begun::started(*started, env.redactor))
}

async fn resolve_and_start(
    context: &Arc<Context>,
    cell: &Arc<Cell>,
    desired: &Desired,
    vigil: &Vigil,
    place: &Place,
) -> Option<(Box<Started>, Env)> {
    let resolved = match context.secrets.resolve(&desired.env).await {
        Ok(resolved) => resolved,
        Err(error) => {
            count_missing(context, cell, &error);
            let fail = |i: Instance, m: Moment<'_>| vigil.kept(i.secrets_missing(&error, m), m);
            context.change_safely(cell, |instance, moment| if_starting(instance, moment, fail)).await;
            return None;
        }
    };
    context.change(cell, |mut instance, moment| {
        instance.revision.secrets = Some(resolved.fingerprint.clone());
        if_starting(instance, moment, |i, m| i.secrets_resolved(m.now))
    });
    match start(context, cell, desired, &resolved.env, place).await {
        Ok(started) => Some((Box::new(started), resolved.env)),
        Err(Fault { reason, words }) => {
            let words = resolved.env.redactor.mask_owned(words);
            fail(context, cell, vigil, Fault { reason, words }).await;
            None
        }
    }
}

fn count_missing(context: &Context, cell: &Cell, error: &EnvError) {
    for missing in &error.0 {
        context.metrics.secret_failure(&missing.cause.backend, &missing.cause.failure);
    }
    context.metrics.attempt(&cell.server, Err(AttemptReason::SecretsUnresolved));
}

/// A secret or an engine that came meanwhile has woken nobody; so nobody goes to sleep.
async fn fail(context: &Context, cell: &Arc<Cell>, vigil: &Vigil, fault: Fault) {
    let Fault { reason, words } = fault;
    context.metrics.attempt(&cell.server, Err(reason));
    let fail = |i: Instance, m: Moment<'_>| match reason {
        AttemptReason::RuntimeUnreachable => vigil.kept(i.runtime_unreachable(words, m), m),
        _ => i.start_failed(words, m),
    };
    context.change_safely(cell, |instance, moment| if_starting(instance, moment, fail)).await;
}

async fn start(
    context: &Arc<Context>,
    cell: &Arc<Cell>,
    desired: &Desired,
    env: &Env,
    place: &Place,
) -> Result<Started, Fault> {
    let failed = |words| Fault { reason: AttemptReason::StartFailed, words };
    let refused = refusals(&desired.manifest.volumes, &context.withheld).await;
    if let Some((_, words)) = refused.into_iter().next() {
        return Err(failed(words));
    }
    let revision = cell.read(|instance| instance.revision.clone());
    let request = launch::start_request(cell, desired, revision, env, progress(context, cell, place))
        .map_err(failed)?;
    context.runtime.start(request).await.map_err(|error| Fault::of(&error))
}

/// What takes long is told in the events of the instance, and so to who watches; and nobody waits for it: a pull has
/// no end that mcpd could set, and the runtime itself bounds how many there are.
fn progress(context: &Arc<Context>, cell: &Arc<Cell>, place: &Place) -> Progress {
    let (context, cell) = (Arc::clone(context), Arc::clone(cell));
    // Who is told may be kept for longer than the attempt takes.
    let place = Arc::downgrade(place);
    Progress(Arc::new(move |told| {
        if let Some(place) = place.upgrade() {
            place.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        context.change(&cell, |instance, moment| match &told {
            StartProgress::Pulling { image, done_bytes, total_bytes } => {
                instance.pulling(image, *done_bytes, *total_bytes, moment.now)
            }
            StartProgress::Pulled { image, took } => instance.pulled(image, *took, moment.now),
        });
    }))
}

/// An error with all its causes, on one line.
fn words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// An instance that was told to stop meanwhile keeps to that.
pub(super) fn if_starting(
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
