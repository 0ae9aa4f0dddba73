//! `mcpctl restart`: replaces the instances of a server one by one.

use reqwest::Method;

use crate::Session;
use crate::client::segment;
use crate::target::Target;
use crate::trouble::Done;

/// Arguments of `restart`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl restart demo
  mcpctl restart demo && mcpctl wait demo --for=condition=Ready")]
pub(crate) struct Args {
    /// A server
    #[arg(required = true, num_args = 1..=2, value_name = "SERVER")]
    target: Vec<String>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let server = Target::one(&args.target)?.server()?;
    session.client.send(Method::POST, &format!("/servers/{}/restart", segment(&server))).await?;
    session.output.line(&format!("server/{server} restarting"))
}
