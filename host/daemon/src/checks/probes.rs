//! The probes that are loaded, by the name that manifests use.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcpd_probe::{Limits, LoadError, Probe, ProbeHost, builtin};
use thiserror::Error;

/// Loaded probes and the host that runs them; cheap enough to clone once.
#[derive(Clone)]
pub struct Probes {
    host: Arc<ProbeHost>,
    loaded: HashMap<String, Arc<Probe>>,
}

/// A built-in probe could not be loaded: this mcpd cannot check anything.
#[derive(Debug, Error)]
#[error("built-in probe {name} could not be loaded")]
pub struct ProbesError {
    name: &'static str,
    source: LoadError,
}

impl Probes {
    /// Loads the built-in probes: compiles them the first time, takes compiled code afterwards.
    pub async fn load(host: Arc<ProbeHost>, limits: Limits) -> Result<Self, ProbesError> {
        let mut loaded = HashMap::new();
        for probe in &builtin::ALL {
            let load = host.load(Bytes::from_static(probe.component), limits).await;
            let ready = load.map_err(|source| ProbesError { name: probe.name, source })?;
            loaded.insert(probe.name.to_owned(), ready);
        }
        Ok(Self { host, loaded })
    }

    /// The probe of that name.
    pub fn find(&self, name: &str) -> Option<&Arc<Probe>> {
        self.loaded.get(name)
    }

    /// How long each took to compile that was compiled, and not taken from what is kept.
    pub fn compile_durations(&self) -> impl Iterator<Item = Duration> {
        self.loaded.values().filter_map(|probe| probe.compile_duration())
    }

    /// What runs them.
    pub fn host(&self) -> &ProbeHost {
        &self.host
    }
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.loaded.keys()).finish()
    }
}
