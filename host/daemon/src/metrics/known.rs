//! A gauge that is left out while its value is not known: a zero would be a claim.

use std::fmt;
use std::sync::{Arc, Mutex};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::series::locked;

/// A number, or nothing; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownGauge(Arc<Mutex<Option<i64>>>);

impl KnownGauge {
    /// A new one, not known yet; the registry adds prefix and suffix to its name.
    pub(super) fn register(registry: &mut Registry, name: &str, help: &str) -> Self {
        let gauge = Self::default();
        registry.register(name, help, gauge.clone());
        gauge
    }

    /// Replaces what is known.
    pub(super) fn set(&self, value: Option<i64>) {
        *locked(&self.0) = value;
    }
}

impl EncodeMetric for KnownGauge {
    fn encode(&self, mut encoder: MetricEncoder) -> Result<(), fmt::Error> {
        locked(&self.0).map_or(Ok(()), |value| encoder.encode_gauge(&value))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}
