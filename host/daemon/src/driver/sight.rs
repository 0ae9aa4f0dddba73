//! Engines that go away and come back: what runs there is not known meanwhile, and nothing else stops.

use std::sync::Arc;

use mcpd_core::instance::{AttemptReason, Count, Instance, Phase};

use super::Context;
use crate::runtime::{Owned, Presence, RuntimeKind, Sight};
use crate::state::Cell;

/// An engine stopped answering: of what runs there nothing is known.
pub(super) fn lost(context: &Context, kind: RuntimeKind, words: &str) {
    tracing::warn!(runtime = %kind, reason = words, "engine away");
    for cell in behind(context, kind) {
        lose(context, &cell, words);
    }
}

/// An engine answers again: who waited for it is attempted, and stopped, at once. What ended meanwhile the runtime
/// has told before; what runs is known to once it is found there ([`compare_all`]).
pub(super) fn back(context: &Context, kind: RuntimeKind) {
    tracing::info!(runtime = %kind, "engine back");
    for server in context.board.servers() {
        context.wake(&server, Count::Keep, waits_for_engine);
        server.bell.notify_one();
    }
}

/// For a list of what is there: what is on it is seen, and what is in an engine that does not answer is not.
pub(super) fn compare_all(context: &Context, owned: &[Owned]) {
    let mut has_returned = false;
    for cell in context.board.instances() {
        if !is_answered_for(context, &cell) {
            compare(context, &cell);
        } else if is_lost(&cell) && owned.iter().any(|thing| runs(thing, &cell)) {
            context.change(&cell, |instance, moment| instance.sighted(moment.now));
            has_returned = true;
        }
    }
    if has_returned {
        context.board.tell_return();
    }
}

/// For a run that begins: its engine may have gone before anybody knew of it.
pub(super) fn compare(context: &Context, cell: &Arc<Cell>) {
    for engine in context.runtime.engines() {
        if let Sight::Lost(words) = &engine.sight
            && is_behind(cell, engine.kind)
        {
            lose(context, cell, words);
        }
    }
}

/// Whether the engine that the run of this instance is in answers, as far as is known.
pub(super) fn is_answered_for(context: &Context, cell: &Cell) -> bool {
    let is_away = |kind: RuntimeKind, sight: &Sight| matches!(sight, Sight::Lost(_)) && is_behind(cell, kind);
    !context.runtime.engines().iter().any(|engine| is_away(engine.kind, &engine.sight))
}

/// Whether nothing can be known of its run now.
pub(super) fn is_lost(cell: &Cell) -> bool {
    cell.read(|instance| instance.sight_lost().is_some())
}

fn runs(thing: &Owned, cell: &Cell) -> bool {
    thing.instance == cell.id && cell.is_run(thing.run) && thing.presence == Presence::Running
}

fn lose(context: &Context, cell: &Arc<Cell>, words: &str) {
    context.change(cell, |instance, moment| instance.lost_sight(words.to_owned(), moment.now));
}

fn behind(context: &Context, kind: RuntimeKind) -> impl Iterator<Item = Arc<Cell>> {
    context.board.instances().into_iter().filter(move |cell| is_behind(cell, kind))
}

/// A container is behind an engine, and a process of the host behind mcpd itself.
fn is_behind(cell: &Cell, kind: RuntimeKind) -> bool {
    cell.run().is_some_and(|run| run.is_contained() == (kind != RuntimeKind::Process))
}

fn waits_for_engine(instance: &Instance) -> bool {
    match &instance.phase {
        Phase::Failed(failed) => failed.error.reason == AttemptReason::RuntimeUnreachable,
        Phase::Stopping(stopping) => stopping.error.is_some(),
        Phase::Starting | Phase::Running(_) => false,
    }
}
