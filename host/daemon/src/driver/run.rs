//! What begins when the runtime reports an instance as running: its connection, its checks, the watch for its end.

use std::sync::Arc;

use jiff::Timestamp;
use mcpd_core::instance::{Instance, Moment};
use mcpd_core::secret::Redactor;
use mcpd_core::server::Revision;
use tokio_util::sync::CancellationToken;

use super::attempt::if_starting;
use super::link::Line;
use super::{Context, exits, link, orphans, sight};
use crate::runtime::{Adopted, Started, Streams};
use crate::state::{Cell, Desired, Run};

/// A run that the runtime reports as running.
pub(super) struct Begun {
    started: Started,
    redactor: Redactor,
    origin: Origin,
}

/// Where a run comes from.
enum Origin {
    /// This attempt has started it.
    Started,
    /// It ran already.
    Adopted { revision: Revision, since: Timestamp },
}

impl Begun {
    /// One that this attempt has started.
    pub(super) fn started(started: Started, redactor: Redactor) -> Self {
        Self { started, redactor, origin: Origin::Started }
    }

    /// One that ran already.
    pub(super) fn adopted(adopted: Adopted) -> Self {
        let Adopted { started, revision, since, redactor } = adopted;
        Self { started, redactor, origin: Origin::Adopted { revision, since } }
    }
}

/// The runtime reports it running: from here on its end is an exit, and its connection is opened.
pub(super) async fn begin(context: &Arc<Context>, cell: &Arc<Cell>, desired: &Arc<Desired>, begun: Begun) {
    if cell.is_retired() {
        // Forgotten by force meanwhile: nobody else would end it.
        orphans::remove(context, &cell.id).await;
        return;
    }
    let Begun { started, redactor, origin } = begun;
    let (run, hang_up) = (started.run, CancellationToken::new());
    let has_answered = match &origin {
        Origin::Started => {
            context.metrics.attempt(&cell.server, Ok(()));
            false
        }
        Origin::Adopted { .. } => cell.has_left_answering(),
    };
    let streams = set_run(cell, started, redactor, hang_up.clone(), has_answered);
    context
        .change_safely(cell, |instance, moment| if_starting(instance, moment, |i, m| origin.tell(i, m)))
        .await;
    context.checks.started(cell);
    // It may have ended, or its engine gone, before it was known to run.
    exits::apply(context, cell, run);
    sight::compare(context, cell);
    let (cell, desired) = (Arc::clone(cell), Arc::clone(desired));
    let line = Line { context: Arc::clone(context), cell, desired, run, hang_up };
    context.tasks.spawn(link::follow(line, streams));
}

impl Origin {
    fn tell(self, instance: Instance, moment: Moment<'_>) -> Instance {
        match self {
            Self::Started => instance.started(moment.now),
            Self::Adopted { revision, since } => instance.adopted(revision, since, moment.now),
        }
    }
}

fn set_run(
    cell: &Cell,
    started: Started,
    redactor: Redactor,
    hang_up: CancellationToken,
    has_answered: bool,
) -> Streams {
    let Started { run, handle, pid, container, streams } = started;
    cell.set_run(Run {
        number: run,
        handle: Some(handle.0),
        pid,
        port: container.as_ref().and_then(|container| container.port),
        container_id: container.as_ref().map(|container| container.id.clone()),
        image: container.map(|container| container.image),
        redactor,
        connection: None,
        hang_up,
        greeting: None,
        has_answered,
    });
    streams
}
