//! What the runtime notices, and a periodic comparison behind it (behaviour 2.1, 5.8).

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use mcpd_core::instance::Exit;
use mcpd_core::name::InstanceId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::orphans::Orphans;
use super::{Context, exits, sight};
use crate::runtime::{Owned, RuntimeEvent};
use crate::state::Cell;

/// Follows the runtime's events until mcpd ends. The board has to hold all instances by then: what it does not
/// know is removed.
pub(super) async fn watch(context: Arc<Context>, events: Receiver<RuntimeEvent>) {
    let end = context.end.clone();
    let work = Watch { context, events, orphans: Orphans::default() }.run();
    // What ends because mcpd ends is no exit.
    tokio::select! {
        biased;
        () = end.cancelled() => {}
        () = work => {}
    }
}

struct Watch {
    context: Arc<Context>,
    events: Receiver<RuntimeEvent>,
    orphans: Orphans,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Wait,
    Look,
    End,
}

impl Watch {
    async fn run(mut self) {
        // Behind the events: what they do not tell is found by it, such as the container of a row that is gone.
        let mut scan = tokio::time::interval(self.context.settings.scan);
        scan.reset();
        // What an earlier mcpd has left, and a row that went before its container.
        let mut next = Next::Look;
        loop {
            next = match next {
                Next::End => return,
                Next::Look => self.look().await,
                // What an event tells of has not vanished.
                Next::Wait => tokio::select! {
                    biased;
                    event = self.events.recv() => take(&self.context, event),
                    _ = scan.tick() => Next::Look,
                },
            };
        }
    }

    /// Compares, and goes on listening meanwhile: an engine may take its time, and an exit is told at once.
    async fn look(&mut self) -> Next {
        let (before, wanted) = (running(&self.context), wanted(&self.context));
        let mut next = Next::Wait;
        let owned = {
            let mut list = pin!(self.context.runtime.list());
            loop {
                tokio::select! {
                    biased;
                    event = self.events.recv() => next = next.and_then(take(&self.context, event)),
                    owned = &mut list => break owned,
                }
                if next == Next::End {
                    return Next::End;
                }
            }
        };
        match owned {
            Ok(owned) => {
                sight::compare_all(&self.context, &owned);
                look_for_vanished(&self.context, &before, &owned);
                self.orphans.sweep(&self.context, &wanted, &owned);
            }
            Err(error) => {
                tracing::warn!(%error, "what runs was not compared with what should");
                sight::compare_all(&self.context, &[]);
            }
        }
        next
    }
}

impl Next {
    fn and_then(self, other: Self) -> Self {
        match (self, other) {
            (Self::End, _) | (_, Self::End) => Self::End,
            (Self::Look, _) | (_, Self::Look) => Self::Look,
            (Self::Wait, Self::Wait) => Self::Wait,
        }
    }
}

fn take(context: &Context, event: Result<RuntimeEvent, RecvError>) -> Next {
    match event {
        Ok(RuntimeEvent::Exited { instance, run, exit, stderr_tail, .. }) => {
            exits::exited(context, &instance, run, exit, stderr_tail);
            Next::Wait
        }
        Ok(RuntimeEvent::Away { kind, reason, .. }) => {
            sight::lost(context, kind, &reason);
            Next::Wait
        }
        Ok(RuntimeEvent::Back { kind, .. }) => {
            sight::back(context, kind);
            Next::Look
        }
        Err(RecvError::Lagged(_)) => Next::Look,
        Err(RecvError::Closed) => Next::End,
    }
}

fn wanted(context: &Context) -> BTreeSet<InstanceId> {
    context.board.instances().iter().map(|cell| cell.id.clone()).collect()
}

fn running(context: &Context) -> Vec<(u64, Arc<Cell>)> {
    context.board.instances().into_iter().filter_map(|cell| Some((cell.run_number()?, cell))).collect()
}

/// An instance that is RUNNING here and not there has ended, and the event was missed. Of what is in an engine that
/// does not answer nothing can be missed.
fn look_for_vanished(context: &Context, before: &[(u64, Arc<Cell>)], owned: &[Owned]) {
    for (run, cell) in before {
        let is_there = owned.iter().any(|thing| thing.instance == cell.id && thing.run == *run);
        if !is_there && cell.is_run(*run) && sight::is_answered_for(context, cell) {
            cell.note_exit(*run, Exit::Vanished, String::new());
            exits::apply(context, cell, *run);
        }
    }
}
