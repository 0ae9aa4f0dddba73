//! The program `mcpd`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to people")]

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use mcpd::args::{Args, Command, DemoServer, PrintConfig, Settings, Up};
use mcpd::config::{self, Config, Environment, read_environment};
use mcpd::{demo_server, log, runtime, serve};

fn main() -> ExitCode {
    // Guardians of servers are this same program: they are told apart before anything else.
    if let Some(code) = runtime::process::guard::run_if_asked() {
        return u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from);
    }
    let environment = read_environment();
    let done = match Args::parse().command {
        Command::Serve(settings) => run(&settings, environment, None),
        Command::Up(Up { files, settings }) => run(&settings, environment, Some(files)),
        Command::DemoServer(demo) => run_demo_server(demo, &environment),
        Command::Config(print) => print_config(&print, environment),
    };
    done.map_or_else(
        |error| {
            eprintln!("mcpd: {}", chain(&error));
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// An error with its causes, on one line.
fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

fn load(settings: &Settings, environment: Environment) -> anyhow::Result<config::Effective> {
    Ok(config::load(&settings.sources(environment))?)
}

/// `serve` with no files, `up` with some.
fn run(settings: &Settings, environment: Environment, files: Option<Vec<PathBuf>>) -> anyhow::Result<()> {
    let config: Config = load(settings, environment.clone())?.config;
    log::start(&config.telemetry)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve::serve(config, environment, files))
}

fn run_demo_server(demo: DemoServer, environment: &Environment) -> anyhow::Result<()> {
    let required = demo.require_token.map(|name| {
        let value = environment.get(&name).cloned();
        (name, value)
    });
    Ok(demo_server::run(required, io::stdin().lock(), io::stdout().lock())?)
}

fn print_config(print: &PrintConfig, environment: Environment) -> anyhow::Result<()> {
    if print.schema {
        println!("{}", serde_json::to_string_pretty(&config::schema())?);
    } else {
        print!("{}", load(&print.settings, environment)?.to_toml());
    }
    Ok(())
}
