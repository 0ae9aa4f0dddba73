//! Figures that probes report (`report.measure`), as gauges.
//!
//! Their names come from a guest, which could invent new ones with every check. So they are kept by server
//! and probe, and the figures of one check replace all of the check before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use mcpd_core::check::Measure;
use mcpd_core::name::ServerName;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::series::locked;

/// How many figures of one check are kept; the contract allows no more.
const MEASURES_MAX: usize = 16;

/// The figures of the last check, by server and probe.
#[derive(Clone, Debug, Default)]
pub(super) struct Measures(Arc<Mutex<BTreeMap<Source, Vec<Measure>>>>);

/// Server and probe.
type Source = (ServerName, Arc<str>);

impl Measures {
    /// Replaces the figures of a server and probe.
    pub(super) fn replace(&self, server: &ServerName, probe: &Arc<str>, measures: &[Measure]) {
        let mut all = locked(&self.0);
        let key = (server.clone(), Arc::clone(probe));
        if measures.is_empty() {
            all.remove(&key);
        } else {
            all.insert(key, measures.iter().take(MEASURES_MAX).cloned().collect());
        }
    }

    /// Drops the figures whose label has a value that `keep` refuses.
    pub(super) fn retain(&self, label: &str, keep: &dyn Fn(&str) -> bool) {
        locked(&self.0).retain(|(server, probe), _| match label {
            "server" => keep(server.as_str()),
            "probe" => keep(probe),
            _ => true,
        });
    }
}

impl Collector for Measures {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "Figures of the last check, by the probe that reported them";
        let mut family = encoder.encode_descriptor("probe_measure", help, None, MetricType::Gauge)?;
        for ((server, probe), measures) in locked(&self.0).iter() {
            for Measure { name, value } in measures {
                let labels = [("server", server.as_str()), ("probe", probe), ("name", name.as_str())];
                family.encode_family(&labels)?.encode_gauge(value)?;
            }
        }
        Ok(())
    }
}
