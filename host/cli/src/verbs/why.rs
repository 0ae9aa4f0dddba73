//! `mcpctl why`: one causal sentence, and what stands behind it.

use jiff::Timestamp;
use mcpd_api::view::WhyView;
use serde_json::Value;

use crate::Session;
use crate::client::segment;
use crate::environment::now;
use crate::output::{age, tame};
use crate::resource::Resource;
use crate::target::{self, Target, Telling};
use crate::trouble::{Done, Trouble};

/// Arguments of `why`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl why demo-missing-secret
  mcpctl why instance/k3v9x2
  mcpctl why demo -o json")]
pub(crate) struct Args {
    /// A server, or an instance of it
    #[arg(required = true, num_args = 1..=2, value_name = "SERVER")]
    target: Vec<String>,
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// How a sentence is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// The daemon's answer.
    Json,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let value = fetch(&Target::one(&args.target)?, session).await?;
    if args.output == Format::Json {
        return session.output.json(&value);
    }
    let why: WhyView = serde_json::from_value(value)
        .map_err(|error| Trouble::BadAnswer(format!("the reason is not understood: {error}")))?;
    session.output.print(&words(&why, now()))
}

async fn fetch(target: &Target, session: &Session) -> Done<Value> {
    if target.resource == Some(Resource::Instances) {
        return of_instance(target, session).await;
    }
    match of_server(&target.clone().server()?, session).await {
        Err(Trouble::Answer(problem)) if problem.status == 404 && target.resource.is_none() => {
            of_instance(target, session).await
        }
        other => other,
    }
}

pub(crate) async fn of_server(server: &str, session: &Session) -> Done<Value> {
    session.client.get(&format!("/servers/{}/why", segment(server)), &[]).await
}

async fn of_instance(target: &Target, session: &Session) -> Done<Value> {
    let instance = target::instance(&session.client, target, Telling::Worst).await?;
    of_server(&instance.server, session).await
}

/// The sentence, since when, what next, and from what follows.
pub(crate) fn words(why: &WhyView, now: Timestamp) -> String {
    let mut lines = vec![tame(&why.sentence)];
    if let Some(since) = why.since {
        lines.push(format!("  since  {} ({since:.0})", age::precise(age::since(since, now))));
    }
    if let Some(next) = &why.next {
        let when = why.next_at.map(|at| format!(" ({})", age::until(at, now))).unwrap_or_default();
        lines.push(format!("  next   {}{when}", tame(next)));
    }
    let chain = why.chain.iter().enumerate();
    lines.extend(chain.map(|(depth, cause)| format!("  {}└ {}", "  ".repeat(depth), tame(cause))));
    lines.join("\n") + "\n"
}
