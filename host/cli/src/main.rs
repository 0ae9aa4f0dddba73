//! `mcpctl`: the client of mcpd, with kubectl habits.

mod args;
mod client;
mod endpoint;
mod environment;
mod output;
mod resource;
mod selector;
mod target;
mod terminal;
mod trouble;
mod verbs;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Verb};
use client::Client;
use endpoint::{Endpoint, EndpointArgs};
use environment::Environment;
use output::Output;
use trouble::{Done, Trouble};

/// What a verb works with.
struct Session {
    client: Client,
    output: Output,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // A second provider cannot be there yet, and what else could fail is told by the first request.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(Cli::parse(), &Environment::read()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) if trouble.is_broken_pipe() => ExitCode::SUCCESS,
        Err(trouble) => ended_by(&trouble),
    }
}

async fn run(cli: Cli, environment: &Environment) -> Done {
    let session = || connect(&cli.endpoint, environment);
    match cli.verb {
        Verb::Apply(args) => verbs::apply::run(args, &session()?).await,
        Verb::Get(args) => verbs::get::run(args, &session()?).await,
        Verb::Describe(args) => verbs::describe::run(args, &session()?).await,
        Verb::Why(args) => verbs::why::run(args, &session()?).await,
        Verb::Logs(args) => verbs::logs::run(args, &session()?).await,
        Verb::Exec(args) => verbs::exec::run(args, &session()?).await,
        Verb::Check(args) => verbs::check::run(args, &session()?).await,
        Verb::Call(args) => verbs::call::run(args, &session()?).await,
        Verb::Tools(args) => verbs::tools::run(args, &session()?).await,
        Verb::Delete(args) => verbs::delete::run(args, &session()?).await,
        Verb::Restart(args) => verbs::restart::run(args, &session()?).await,
        Verb::Wait(args) => verbs::wait::run(args, &session()?).await,
        Verb::Events(args) => verbs::events::run(args, &session()?).await,
        Verb::Status(args) => verbs::status::run(args, &session()?).await,
        Verb::Config(args) => verbs::config::run(args, &cli.endpoint, environment),
        Verb::Completion(args) => verbs::completion::run(args),
        Verb::Version(args) => verbs::version::run(args, session).await,
    }
}

fn connect(args: &EndpointArgs, environment: &Environment) -> Done<Session> {
    let endpoint = Endpoint::find(args, environment)?;
    Ok(Session { client: Client::new(&endpoint)?, output: Output::new(environment) })
}

fn ended_by(trouble: &Trouble) -> ExitCode {
    let words = trouble.words();
    if !words.is_empty() {
        output::talk(&words);
    }
    trouble.exit_code()
}
