//! What checks and their probes are counted by.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use mcpd_core::check::{Inconclusive, Measure, Verdict};
use mcpd_core::name::ServerName;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::histogram;
use super::labels::Word;
use super::measures::Measures;
use super::series::Series;

/// What one check took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckCost {
    /// From its begin to the verdict.
    pub duration: Duration,
    /// CPU time of the guest.
    pub cpu: Duration,
    /// The most memory the guest had.
    pub memory_bytes_max: usize,
}

/// Counts the checks of one instance. Its label sets are resolved once, when it is made; counting a check
/// touches atomics and two short locks, of the histogram and of the measures.
#[derive(Clone, Debug)]
pub struct CheckMetrics {
    server: ServerName,
    probe: Arc<str>,
    verdicts: [Counter; VERDICTS.len()],
    duration: Histogram,
    cpu: CpuSeconds,
    memory: Gauge,
    traps: Arc<Series<2, Counter>>,
    measures: Measures,
}

type CpuSeconds = Counter<f64, AtomicU64>;

/// The values of the label `verdict`.
const VERDICTS: [&str; 6] = ["pass", "warn", "fail", "unknown", "failure", "inconclusive"];

impl CheckMetrics {
    /// A check ended.
    pub fn done(&self, verdict: Verdict, cost: CheckCost, measures: &[Measure]) {
        self.verdicts[index(verdict)].inc();
        self.duration.observe(cost.duration.as_secs_f64());
        self.cpu.inc_by(cost.cpu.as_secs_f64());
        let memory = i64::try_from(cost.memory_bytes_max).unwrap_or(i64::MAX);
        let peak: &AtomicI64 = self.memory.inner();
        peak.fetch_max(memory, Ordering::Relaxed);
        if let Verdict::Inconclusive(kind) = verdict
            && is_trap(kind)
        {
            self.traps.get([("probe", (&self.probe).into()), ("kind", kind.as_str().into())]).inc();
        }
        self.measures.replace(&self.server, &self.probe, measures);
    }
}

/// All series of checks and probes.
#[derive(Debug)]
pub(super) struct ProbeSeries {
    checks: Series<3, Counter>,
    duration: Histogram,
    cpu: Series<1, CpuSeconds>,
    memory: Series<1, Gauge>,
    traps: Arc<Series<2, Counter>>,
    compile: Histogram,
    measures: Measures,
}

impl ProbeSeries {
    pub(super) fn register(r: &mut Registry) -> Self {
        let measures = Measures::default();
        r.register_collector(Box::new(measures.clone()));
        Self {
            checks: Series::register(r, "checks", "Checks by verdict"),
            duration: histogram(r, "check_duration_seconds", "Duration of checks"),
            cpu: Series::register(r, "probe_cpu_seconds", "CPU time that probes used"),
            memory: Series::register(
                r,
                "probe_memory_peak_bytes",
                "The most memory a check of the probe had",
            ),
            traps: Arc::new(Series::register(r, "probe_traps", "Checks that a probe did not survive")),
            compile: histogram(r, "probe_compile_seconds", "Time to compile a component"),
            measures,
        }
    }

    pub(super) fn checks_of(&self, server: &ServerName, probe: &str) -> CheckMetrics {
        let probe: Arc<str> = probe.into();
        let word = Word::from(&probe);
        let checks = |verdict: &'static str| {
            self.checks.get([("server", server.into()), ("probe", word.clone()), ("verdict", verdict.into())])
        };
        CheckMetrics {
            server: server.clone(),
            verdicts: VERDICTS.map(checks),
            duration: self.duration.clone(),
            cpu: self.cpu.get([("probe", word.clone())]),
            memory: self.memory.get([("probe", word.clone())]),
            traps: Arc::clone(&self.traps),
            measures: self.measures.clone(),
            probe,
        }
    }

    pub(super) fn compiled(&self, duration: Duration) {
        self.compile.observe(duration.as_secs_f64());
    }

    /// Drops what `keep` refuses, and with it the probes that no server uses any more: a manifest may name
    /// any probe, also one that does not exist.
    pub(super) fn retain(&self, label: &str, keep: &dyn Fn(&str) -> bool) {
        self.checks.retain(label, keep);
        self.measures.retain(label, keep);
        let used = self.checks.values("probe");
        let is_used = |probe: &str| used.contains(&Word::name(probe));
        self.cpu.retain("probe", &is_used);
        self.memory.retain("probe", &is_used);
        self.traps.retain("probe", &is_used);
    }
}

/// The place of a verdict in [`VERDICTS`].
fn index(verdict: Verdict) -> usize {
    match verdict {
        Verdict::Pass => 0,
        Verdict::Warn => 1,
        Verdict::Fail => 2,
        Verdict::Unknown => 3,
        Verdict::Failure(_) => 4,
        Verdict::Inconclusive(_) => 5,
    }
}

/// Whether the guest itself came to its end, and not the loading of it or the check.
fn is_trap(kind: Inconclusive) -> bool {
    match kind {
        Inconclusive::Trap
        | Inconclusive::CpuLimit
        | Inconclusive::MemoryLimit
        | Inconclusive::CallLimit
        | Inconclusive::Exit => true,
        Inconclusive::Missing
        | Inconclusive::LoadError
        | Inconclusive::ContractMismatch
        | Inconclusive::Busy
        | Inconclusive::RuntimeUnreachable => false,
    }
}
