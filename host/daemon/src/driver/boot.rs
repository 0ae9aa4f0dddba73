//! After a start: what the store holds is taken over, and what an earlier mcpd left is ended (behaviour 5.7, 5.8).

use std::sync::Arc;

use anyhow::Context as _;
use mcpd_core::instance::{Instance, Link, Running, Survival};

use super::Context;
use crate::metrics::RestartCause;
use crate::runtime::{Handle, Known};
use crate::state::{Cell, Left};
use crate::store::{InstanceRow, ServerRow};

/// Ends what is left, puts all instances on the board, and gives the servers to be driven.
pub(super) async fn load(context: &Arc<Context>) -> anyhow::Result<Vec<ServerRow>> {
    let rows = context.store.list_instances().await.context("cannot read the instances from the store")?;
    let report = context
        .runtime
        .sweep(rows.iter().map(known).collect())
        .await
        .context("cannot end what an earlier mcpd left behind, so nothing is started")?;
    for instance in &report.ended {
        tracing::info!(%instance, "ended what an earlier mcpd had left of this instance");
    }
    for row in rows {
        take_over(context, row).await?;
    }
    context.ledger.flushed().await.context("cannot write down what the restart changed")?;
    context.store.list_servers().await.context("cannot read the servers from the store")
}

fn known(row: &InstanceRow) -> Known {
    Known { instance: row.instance.id.clone(), handle: row.handle.clone().map(Handle) }
}

/// What ended with mcpd is ended by the sweep, also where something of it is left; a container is left as it is.
fn survival(row: &InstanceRow) -> Survival {
    if row.container_id.is_some() { Survival::MayLive } else { Survival::Ends }
}

/// Of what was not taken over yet when mcpd ended again it is not written down; as a rule it had.
fn has_answered(instance: &Instance) -> bool {
    let has = |running: &Running| running.was_ready || matches!(running.link, Link::Open { .. });
    instance.running().is_none_or(has)
}

async fn take_over(context: &Context, row: InstanceRow) -> anyhow::Result<()> {
    let (now, survival) = (context.clock.now(), survival(&row));
    let InstanceRow { instance, handle, container_id, .. } = row;
    if instance.running().is_some() && survival == Survival::Ends {
        context.metrics.restarted(&instance.server, RestartCause::Interrupted);
    }
    let left = Left { handle, container_id, has_answered: has_answered(&instance) };
    let instance = instance.interrupted(survival, &context.settings.schedule, now);
    let cell = Cell::left_behind(instance, now, left);
    let checks = context.store.list_checks(&cell.id).await.context("cannot read checks from the store")?;
    for check in checks.into_iter().rev() {
        cell.push_check(Arc::new(check));
    }
    context.board.put_instance(&cell);
    context.ledger.note(&cell);
    Ok(())
}
