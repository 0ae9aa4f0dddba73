//! The daemon's own log, on stderr.

use anyhow::Context as _;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogFormat, Telemetry};

/// Starts the log as configured.
///
/// It hears what speaks through `tracing` only. The Docker client speaks through `log`, and at its finer levels says
/// whole requests with all values of an environment in them (behaviour 3.6).
///
/// # Errors
/// A filter that cannot be read, named.
pub fn start(telemetry: &Telemetry) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&telemetry.log)
        .with_context(|| format!("telemetry.log {:?} is not a filter", telemetry.log))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_target(false);
    let log: Box<dyn Subscriber + Send + Sync> = match telemetry.format {
        LogFormat::Text => Box::new(log.with_ansi(false).finish()),
        LogFormat::Json => Box::new(log.json().finish()),
    };
    tracing::subscriber::set_global_default(log).context("the log is started a second time")
}
