//! What runs servers, put together: processes of this host, and containers where the configuration leaves an engine.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::config::{Config, Environment, RuntimeKind};
use crate::data_dir::DataDir;
use crate::runtime::auto::{PackagePlace, Packages};
use crate::runtime::process::{GUARDIANS_END, Grace, ProcessConfig, ProcessRuntime};
use crate::runtime::{self, Events, RunNumbers, Runtime};

/// What the runtimes are made from.
pub(super) struct Given<'a> {
    pub(super) config: &'a Config,
    pub(super) folder: &'a DataDir,
    pub(super) environment: &'a Environment,
    pub(super) clock: &'a Clock,
    /// Prefixes of variables that no process gets.
    pub(super) withheld: &'a Arc<Mutex<Vec<String>>>,
    /// The id of this mcpd, by which it knows its containers.
    pub(super) owner: &'a str,
}

/// What runs servers.
pub(super) struct Runtimes {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) packages: Packages,
    /// The engine's socket, where there is an engine.
    pub(super) socket: Option<PathBuf>,
}

impl Given<'_> {
    /// Puts them together; no engine is asked.
    pub(super) fn runtimes(&self) -> anyhow::Result<Runtimes> {
        let (events, numbers) = (runtime::events(), RunNumbers::default());
        let process: Arc<dyn Runtime> = Arc::new(self.process(events, numbers)?);
        let packages = packages(&self.config.runtime);
        Ok(Runtimes { runtime: process, packages, socket: None })
    }

    fn process(&self, events: Events, numbers: RunNumbers) -> anyhow::Result<ProcessRuntime> {
        let (clock, withheld) = (self.clock.clone(), Arc::clone(self.withheld));
        let settings = &self.config.runtime.process;
        let config = ProcessConfig {
            program: PathBuf::from("/proc/self/exe"),
            folder: self.folder.run(),
            user: settings.user.clone(),
            parent_env: self.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            pass_env: settings.pass_env.clone(),
            withheld: Arc::new(move || withheld.lock().unwrap_or_else(PoisonError::into_inner).clone()),
            now: Arc::new(move || clock.now()),
            grace: Grace::default(),
            sweep_patience: GUARDIANS_END,
            numbers,
            events,
        };
        Ok(ProcessRuntime::new(config)?)
    }
}

/// Where packages run by this configuration.
fn packages(config: &crate::config::Runtime) -> Packages {
    let place = |image: &Option<String>, key| match (config.kind, image) {
        (RuntimeKind::Process, _) | (RuntimeKind::Auto, None) => PackagePlace::Host,
        (RuntimeKind::Auto, Some(_)) => PackagePlace::ContainerIfAny,
        (RuntimeKind::Docker, Some(_)) => PackagePlace::Container,
        (RuntimeKind::Docker, None) => PackagePlace::Nowhere(key),
    };
    Packages {
        node: place(&config.node_runner_image, "runtime.nodeRunnerImage"),
        python: place(&config.python_runner_image, "runtime.pythonRunnerImage"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_says_where_packages_run() {
        let of = |kind, image: Option<&str>| {
            let node_runner_image = image.map(str::to_owned);
            packages(&crate::config::Runtime { kind, node_runner_image, ..Default::default() }).node
        };
        assert_eq!(of(RuntimeKind::Auto, None), PackagePlace::Host);
        assert_eq!(of(RuntimeKind::Auto, Some("node:24")), PackagePlace::ContainerIfAny);
        assert_eq!(of(RuntimeKind::Process, Some("node:24")), PackagePlace::Host);
        assert_eq!(of(RuntimeKind::Docker, Some("node:24")), PackagePlace::Container);
        assert_eq!(of(RuntimeKind::Docker, None), PackagePlace::Nowhere("runtime.nodeRunnerImage"));
    }
}
