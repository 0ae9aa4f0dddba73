//! `mcpctl version`: the versions of client and daemon.

use mcpd_api::view::StatusView;

use crate::Session;
use crate::trouble::{Done, Trouble};

/// Arguments of `version`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl version
  mcpctl version --client")]
pub(crate) struct Args {
    /// Only that of the client, without asking the daemon
    #[arg(long)]
    client: bool,
}

pub(crate) async fn run(args: Args, session: impl FnOnce() -> Done<Session>) -> Done {
    let own = concat!("mcpctl ", env!("CARGO_PKG_VERSION"), "\n");
    std::io::Write::write_all(&mut std::io::stdout(), own.as_bytes())
        .map_err(Trouble::io("writing to stdout"))?;
    if args.client {
        return Ok(());
    }
    let session = session()?;
    let status: StatusView = session.client.get("/status", &[]).await?;
    session.output.line(&format!("mcpd {} at {}", status.version, session.client.base()))
}
