//! `mcpctl logs`: what an instance printed to stderr, and to stdout where that was no JSON-RPC.

use crate::Session;
use crate::client::segment;
use crate::target::{self, Target, Telling};
use crate::trouble::Done;

/// Arguments of `logs`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl logs demo
  mcpctl logs instance/k3v9x2 --tail 20 -f
  mcpctl logs demo --previous")]
pub(crate) struct Args {
    /// An instance, or a server
    #[arg(required = true, num_args = 1..=2, value_name = "INSTANCE")]
    target: Vec<String>,
    /// Go on and show what comes
    #[arg(short, long)]
    follow: bool,
    /// Of the run before this one
    #[arg(short, long)]
    previous: bool,
    /// Only so many lines of the end
    #[arg(long, value_name = "LINES")]
    tail: Option<u32>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let instance = target::instance(&session.client, &Target::one(&args.target)?, Telling::Worst).await?;
    let tail = args.tail.map(|lines| lines.to_string());
    let mut query = Vec::new();
    query.extend(tail.as_deref().map(|lines| ("tail", lines)));
    query.extend(args.follow.then_some(("follow", "true")));
    query.extend(args.previous.then_some(("previous", "true")));
    let path = format!("/instances/{}/logs", segment(&instance.id));
    let mut lines = session.client.follow(&path, &query).await?;
    while let Some(line) = lines.next().await? {
        session.output.line(&line)?;
    }
    Ok(())
}
