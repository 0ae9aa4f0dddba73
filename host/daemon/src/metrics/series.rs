//! A family of series that can drop those of things that are gone.
//!
//! The library's own `Family` removes a series by its complete labels only; here the labels in use are
//! remembered, so that all series of one server can be found.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::{Labels, Word};

/// Series with `N` labels each.
#[derive(Debug)]
pub(super) struct Series<const N: usize, M> {
    family: Family<Labels<N>, M>,
    known: Mutex<HashSet<Labels<N>>>,
}

impl<const N: usize, M> Series<N, M>
where
    M: Clone + Default + EncodeMetric + TypedMetric + std::fmt::Debug + Send + Sync + 'static,
{
    /// A new family; the registry adds prefix and suffix to its name.
    pub(super) fn register(registry: &mut Registry, name: &str, help: &str) -> Self {
        let family = Family::default();
        registry.register(name, help, family.clone());
        Self { family, known: Mutex::default() }
    }

    /// The series of these labels; one that was dropped since may still be used, but is not shown.
    pub(super) fn get(&self, labels: Labels<N>) -> M {
        if let Some(metric) = self.family.get(&labels) {
            return metric.clone();
        }
        let mut known = locked(&self.known);
        let metric = self.family.get_or_create_owned(&labels);
        known.insert(labels);
        metric
    }

    /// Drops each series that has the label with a value that `keep` refuses.
    pub(super) fn retain(&self, label: &str, keep: &dyn Fn(&str) -> bool) {
        locked(&self.known).retain(|labels| {
            let kept = labels.iter().all(|(name, value)| *name != label || keep(value.as_str()));
            if !kept {
                self.family.remove(labels);
            }
            kept
        });
    }

    /// The values of a label that are in use.
    pub(super) fn values(&self, label: &str) -> HashSet<Word> {
        let known = locked(&self.known);
        known.iter().flatten().filter(|(name, _)| *name == label).map(|(_, value)| value.clone()).collect()
    }

    /// Drops all.
    pub(super) fn clear(&self) {
        locked(&self.known).clear();
        self.family.clear();
    }
}

/// A lock whose holder panicked guards nothing that could be half done here.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
