//! What mcpd owns and no instance wants: it goes (behaviour 5.8).
//!
//! An instance is on the board before anything of it is started, and leaves the board after all of it is gone. So
//! what is listed, and was on the board neither before the list was made nor after, is wanted by nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use mcpd_core::name::InstanceId;
use tokio::task::JoinSet;

use super::Context;
use crate::runtime::{Owned, Presence, RuntimeError};

/// Removed at once: each is a few calls of an engine, and a stop that may take its grace.
const REMOVALS_AT_ONCE: usize = 8;

/// Removes orphans beside whoever finds them, one round after the other.
#[derive(Debug, Default)]
pub(super) struct Orphans(JoinSet<()>);

impl Orphans {
    /// Begins to remove what of this list nobody wants, nor wanted when it was made; where the round before is not
    /// done yet, the next list will say the same.
    pub(super) fn sweep(&mut self, context: &Arc<Context>, wanted: &BTreeSet<InstanceId>, owned: &[Owned]) {
        while self.0.try_join_next().is_some() {}
        // What an engine holds that does not answer cannot be removed before it does.
        let seen = owned.iter().filter(|thing| thing.presence != Presence::Unseen);
        let ids = seen.map(|thing| &thing.instance);
        let is_found = |id: &&InstanceId| !wanted.contains(*id) && is_orphan(context, id);
        let found: BTreeSet<_> = ids.filter(is_found).cloned().collect();
        if found.is_empty() || !self.0.is_empty() {
            return;
        }
        let context = Arc::clone(context);
        self.0.spawn(async move {
            let context = &context;
            stream::iter(found)
                .for_each_concurrent(REMOVALS_AT_ONCE, |id| async move {
                    remove(context, &id).await;
                })
                .await;
        });
    }
}

/// Removes what is left of an instance that nobody wants; looks once more, for some time may have passed.
pub(super) async fn remove(context: &Context, id: &InstanceId) {
    if !is_orphan(context, id) {
        return;
    }
    match context.runtime.remove(id).await {
        Ok(()) => {
            tracing::info!(instance = %id, "removed what no instance wants");
            context.metrics.orphan_removed();
        }
        // Once it is back, the next list says so again.
        Err(error @ RuntimeError::EngineAway { .. }) => {
            tracing::debug!(instance = %id, %error, "what no instance wants is not removed yet");
        }
        Err(error) => tracing::warn!(instance = %id, %error, "what no instance wants is not removed yet"),
    }
}

/// Whether the board says that it is gone, or never knew it.
fn is_orphan(context: &Context, id: &InstanceId) -> bool {
    context.board.find_instance(id.as_str()).is_none_or(|cell| cell.is_retired())
}
