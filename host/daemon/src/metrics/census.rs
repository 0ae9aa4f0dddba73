//! Gauges that are looked up when somebody asks.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcpd_core::name::ServerName;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::gauge;
use super::labels::Word;
use super::series::{Series, locked};
use crate::runtime::{EngineState, Sight};

/// What there is at this moment.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Every server, those without instances too.
    pub servers: BTreeSet<ServerName>,
    /// Every instance.
    pub instances: Vec<CensusEntry>,
    /// Processes and containers that mcpd owns, where they could be counted.
    pub owned_things: Option<usize>,
    /// Processes and containers that it wants; the two are equal when all is well.
    pub wanted_things: usize,
    /// Each engine behind the runtime, as it was seen last.
    pub engines: Vec<EngineState>,
}

/// One instance in a census.
#[derive(Clone, Debug)]
pub struct CensusEntry {
    /// The server it is a replica of; one that is in the census.
    pub server: ServerName,
    /// Its status, as `Instance::status` gives it.
    pub status: &'static str,
    /// Whether it is Ready.
    pub ready: bool,
    /// Since its last conclusive check, where there was one.
    pub verdict_age: Option<Duration>,
}

/// The words of `Instance::status`.
const STATUSES: [&str; 4] = ["STARTING", "RUNNING", "STOPPING", "ERROR"];

type Seconds = Gauge<f64, AtomicU64>;

/// A gauge that is left out where its value is not known.
#[derive(Clone, Debug, Default)]
struct OwnedThings(Arc<Mutex<Option<usize>>>);

impl Collector for OwnedThings {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(owned) = *locked(&self.0) else { return Ok(()) };
        let help = "Processes and containers that mcpd owns";
        encoder.encode_descriptor("owned_things", help, None, MetricType::Gauge)?.encode_gauge(&count(owned))
    }
}

/// The gauges that a census sets.
#[derive(Debug)]
pub(super) struct CensusGauges {
    ready: Series<1, Gauge>,
    instances: Series<2, Gauge>,
    verdict_age: Series<1, Seconds>,
    owned: OwnedThings,
    wanted: Gauge,
    runtime_up: Series<1, Gauge>,
}

impl CensusGauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let age = "Seconds since the last conclusive check, of the instance where it is longest ago";
        let owned = OwnedThings::default();
        registry.register_collector(Box::new(owned.clone()));
        Self {
            ready: Series::register(registry, "instance_ready", "Instances that are Ready"),
            instances: Series::register(registry, "instances", "Instances by status"),
            verdict_age: Series::register(registry, "check_verdict_age_seconds", age),
            owned,
            wanted: gauge(registry, "wanted_things", "Processes and containers that mcpd wants"),
            runtime_up: Series::register(registry, "runtime_up", "Whether the engine of a runtime answers"),
        }
    }

    /// Replaces all values.
    pub(super) fn set(&self, census: &Census) {
        self.ready.clear();
        self.instances.clear();
        self.verdict_age.clear();
        self.runtime_up.clear();
        for server in &census.servers {
            self.present(server);
        }
        for instance in &census.instances {
            self.count(instance);
        }
        for engine in &census.engines {
            self.show(engine);
        }
        *locked(&self.owned.0) = census.owned_things;
        self.wanted.set(count(census.wanted_things));
    }

    /// A server that has none shows zeros: nothing is not the same as not known.
    fn present(&self, server: &ServerName) {
        self.ready.get([("server", server.into())]);
        for status in STATUSES {
            self.instances.get([("server", server.into()), ("status", status.into())]);
        }
    }

    /// Of one that nobody needed yet nothing is known, so nothing is shown.
    fn show(&self, engine: &EngineState) {
        let up = match engine.sight {
            Sight::Unneeded => return,
            Sight::Seen(_) => 1,
            Sight::Lost(_) => 0,
        };
        self.runtime_up.get([("runtime", Word::name(&engine.kind.to_string()))]).set(up);
    }

    fn count(&self, instance: &CensusEntry) {
        let CensusEntry { server, status, ready, verdict_age } = instance;
        self.ready.get([("server", server.into())]).inc_by(i64::from(*ready));
        self.instances.get([("server", server.into()), ("status", (*status).into())]).inc();
        if let Some(age) = verdict_age {
            let oldest = self.verdict_age.get([("server", server.into())]);
            oldest.set(oldest.get().max(age.as_secs_f64()));
        }
    }
}

fn count(things: usize) -> i64 {
    i64::try_from(things).unwrap_or(i64::MAX)
}
