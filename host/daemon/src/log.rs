//! The daemon's own log, on stderr.
//!
//! It holds what is said by `tracing`. What libraries say by the older `log` is left out: one of them writes each request
//! to a container engine as it is, and the environment of a container with its secrets is in one of these.

use anyhow::Context as _;
use tracing::subscriber::set_global_default;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogFormat, Telemetry};

/// Starts the log as configured.
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
    match telemetry.format {
        LogFormat::Text => set_global_default(log.with_ansi(false).finish())?,
        LogFormat::Json => set_global_default(log.json().finish())?,
    }
    Ok(())
}
