//! What mcpd counts, in Prometheus text.
//!
//! Counters and histograms are fed as things happen, in the daemon's words. What can be looked up (how many
//! instances are ready, how old a verdict is) is not kept here at all: whoever answers `/metrics` takes a
//! [`Census`] of the present and hands it to [`Metrics::encode`], so that no gauge can be stale.
//!
//! No label holds an unbounded value: words come from closed lists, names from objects that exist. Series of
//! a server that is gone are dropped when it goes, and again at every [`Metrics::encode`], which also catches
//! what a late check or call brought back.

mod census;
mod check;
mod labels;
mod measures;
mod series;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use mcpd_core::check::FailureKind;
use mcpd_core::env::SecretFailure;
use mcpd_core::instance::AttemptReason;
use mcpd_core::name::ServerName;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use census::{Census, CensusEntry};
pub use check::{CheckCost, CheckMetrics};

use census::CensusGauges;
use check::ProbeSeries;
use labels::{Labels, Word, method_word};
use series::{Series, locked};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the histograms' buckets, in seconds: from a call through a pipe (43 µs) to the slowest check
/// that anybody waits for.
const BUCKETS_SECONDS: [f64; 18] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0,
];

/// Why a server's instance was started again although it ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartCause {
    /// It ended by itself.
    Exited,
    /// It keeps ending by itself.
    CrashLoop,
    /// `onUnhealthy: restart`.
    Unhealthy,
    /// mcpd itself was started again.
    Interrupted,
    /// Somebody asked for it.
    Requested,
    /// It took no second handshake after its attachment had broken or mcpd had been restarted.
    HandshakeRefused,
}

/// Everything mcpd counts. Cheap to share behind an `Arc`; all methods take `&self`.
pub struct Metrics {
    registry: Mutex<Registry>,
    census: CensusGauges,
    probes: ProbeSeries,
    attempts: Series<2, Counter>,
    restarts: Series<2, Counter>,
    calls: Series<3, Counter>,
    call_duration: Histogram,
    secret_failures: Series<2, Counter>,
    reconcile_pass: Histogram,
    orphans_removed: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("mcpd");
        let r = &mut registry;
        Self {
            census: CensusGauges::register(r),
            probes: ProbeSeries::register(r),
            attempts: Series::register(r, "attempts", "Start attempts and exits, by outcome"),
            restarts: Series::register(
                r,
                "restarts",
                "Runs that ended and are followed by another, by cause",
            ),
            calls: Series::register(r, "mcp_calls", "MCP calls of clients, by method and outcome"),
            call_duration: histogram(r, "mcp_call_duration_seconds", "Duration of MCP calls of clients"),
            secret_failures: Series::register(r, "secret_failures", "References to secrets without a value"),
            reconcile_pass: histogram(r, "reconcile_pass_seconds", "Duration of a pass over one server"),
            orphans_removed: counter(
                r,
                "orphans_removed",
                "Processes and containers removed because no instance wanted them",
            ),
            registry: Mutex::new(registry),
        }
    }
}

impl Metrics {
    /// The handle by which checks of one instance are counted. Making it resolves every label set, using it
    /// resolves none; make a new one when the instance's probe changes.
    pub fn checks_of(&self, server: &ServerName, probe: &str) -> CheckMetrics {
        self.probes.checks_of(server, probe)
    }

    /// A component was compiled; cached loads do not count.
    pub fn probe_compiled(&self, duration: Duration) {
        self.probes.compiled(duration);
    }

    /// A start attempt ended; an exit of a running instance is a failed attempt of its own.
    pub fn attempt(&self, server: &ServerName, outcome: Result<(), AttemptReason>) {
        let outcome = outcome.map_or_else(AttemptReason::as_str, |()| "Started");
        self.attempts.get([("server", server.into()), ("outcome", outcome.into())]).inc();
    }

    /// An instance that ran is started again.
    pub fn restarted(&self, server: &ServerName, cause: RestartCause) {
        self.restarts.get([("server", server.into()), ("cause", cause.as_str().into())]).inc();
    }

    /// A client's call ended. A method that MCP does not know is counted as `other`.
    pub fn call(
        &self,
        server: &ServerName,
        method: &str,
        outcome: Result<(), FailureKind>,
        duration: Duration,
    ) {
        let outcome = outcome.map_or_else(FailureKind::as_str, |()| "ok");
        let labels: Labels<3> =
            [("server", server.into()), ("method", method_word(method).into()), ("outcome", outcome.into())];
        self.calls.get(labels).inc();
        self.call_duration.observe(duration.as_secs_f64());
    }

    /// A reference to a secret gave no value. `backend` is the name of a backend that exists.
    pub fn secret_failure(&self, backend: &str, failure: &SecretFailure) {
        self.secret_failures
            .get([("backend", Word::name(backend)), ("reason", failure.reason().into())])
            .inc();
    }

    /// A pass over one server ended.
    pub fn reconcile_pass(&self, duration: Duration) {
        self.reconcile_pass.observe(duration.as_secs_f64());
    }

    /// Something that mcpd owned and no instance wanted was removed.
    pub fn orphan_removed(&self) {
        self.orphans_removed.inc();
    }

    /// Drops the series of a server that is gone.
    pub fn forget_server(&self, server: &ServerName) {
        self.retain("server", &|name| name != server.as_str());
    }

    /// Drops the series of a secret backend that is gone.
    pub fn forget_backend(&self, backend: &str) {
        self.retain("backend", &|name| name != backend);
    }

    /// Everything as text, with gauges from `census`; servers that are not in it leave no series.
    ///
    /// # Errors
    ///
    /// None that could happen: writing to a text does not fail.
    pub fn encode(&self, census: &Census) -> Result<String, fmt::Error> {
        let registry = locked(&self.registry);
        self.retain("server", &|name| census.servers.contains(name));
        self.census.set(census);
        let mut text = String::new();
        text::encode(&mut text, &registry)?;
        Ok(text)
    }

    fn retain(&self, label: &str, keep: &dyn Fn(&str) -> bool) {
        self.probes.retain(label, keep);
        self.attempts.retain(label, keep);
        self.restarts.retain(label, keep);
        self.calls.retain(label, keep);
        self.secret_failures.retain(label, keep);
    }
}

impl RestartCause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "Exited",
            Self::CrashLoop => "CrashLoop",
            Self::Unhealthy => "Unhealthy",
            Self::Interrupted => "Interrupted",
            Self::Requested => "Requested",
            Self::HandshakeRefused => "HandshakeRefused",
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn histogram(registry: &mut Registry, name: &str, help: &str) -> Histogram {
    let histogram = Histogram::new(BUCKETS_SECONDS);
    registry.register(name, help, histogram.clone());
    histogram
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}
