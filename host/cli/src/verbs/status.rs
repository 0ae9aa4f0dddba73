//! `mcpctl status`: one page of the whole.

use jiff::Timestamp;
use mcpd_api::show::parts;
use mcpd_api::view::{InstanceView, ListView, StatusView};
use serde_json::Value;

use super::why::Format;
use crate::Session;
use crate::environment::now;
use crate::output::instances::{self, IsWide};
use crate::output::table::Table;
use crate::output::{age, tame};
use crate::trouble::{Done, Trouble};

/// Arguments of `status`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl status
  mcpctl status -o json")]
pub(crate) struct Args {
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let value: Value = session.client.get("/status", &[]).await?;
    if args.output == Format::Json {
        return session.output.json(&value);
    }
    let status: StatusView = serde_json::from_value(value)
        .map_err(|error| Trouble::BadAnswer(format!("the status is not understood: {error}")))?;
    let list: ListView<InstanceView> = session.client.get("/instances", &[]).await?;
    let colours = session.output.colours();
    session.output.print(&summary(&status, session.client.base(), now()))?;
    session.output.print(&parts::page(&status.parts, now(), colours))?;
    if list.items.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = list.items.iter().map(|view| instances::row(view, now(), IsWide::No)).collect();
    let mut table = Table::new(instances::columns(IsWide::No), colours);
    session.output.print(&format!("\n{}", table.render(&rows)))
}

fn summary(status: &StatusView, url: &str, now: Timestamp) -> String {
    let (servers, instances) = (&status.servers, &status.instances);
    let up = age::precise(age::since(status.started_at, now));
    let unverified = servers.ready.saturating_sub(servers.verified);
    format!(
        "mcpd {} at {url}, up {up}\n\
         servers    {}: {} ready ({unverified} unverified), {} not ready, {} stopped\n\
         instances  {}: {} running ({} healthy, {} degraded, {} unhealthy), {} starting, {} in error\n\n",
        tame(&status.version),
        servers.total,
        servers.ready,
        servers.not_ready,
        servers.stopped,
        instances.total,
        instances.running,
        instances.healthy,
        instances.degraded,
        instances.unhealthy,
        instances.starting,
        instances.error,
    )
}
