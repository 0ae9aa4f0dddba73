//! What runs servers, put together: processes of this host, and containers where the configuration leaves an engine.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Clock;
use crate::config::{Config, Environment, RuntimeKind};
use crate::data_dir::DataDir;
use crate::runtime::auto::{AutoConfig, AutoRuntime, Engineless, PackagePlace, Packages};
use crate::runtime::docker::{DockerConfig, DockerRuntime, Endpoint};
use crate::runtime::process::{GUARDIANS_END, Grace, ProcessConfig, ProcessRuntime};
use crate::runtime::{self, Events, Limits, RunNumbers, Runtime};

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
    /// The part of it that runs containers, and the engine's socket.
    pub(super) docker: Option<(Arc<dyn Runtime>, PathBuf)>,
    pub(super) packages: Packages,
}

impl Given<'_> {
    /// Puts them together; no engine is asked.
    ///
    /// # Errors
    /// Where the user that servers are to run as, or the engine that is named, cannot be one.
    pub(super) fn runtimes(&self) -> anyhow::Result<Runtimes> {
        let (events, numbers) = (runtime::events(), RunNumbers::default());
        let process: Arc<dyn Runtime> = Arc::new(self.process(events.clone(), numbers.clone())?);
        let Some(endpoint) = self.endpoint()? else {
            let (docker, packages) = (Arc::new(Engineless(events.clone())), Packages::ON_HOST);
            return Ok(Runtimes {
                runtime: self.auto(process, docker, events, packages),
                docker: None,
                packages,
            });
        };
        let socket = endpoint.path().to_owned();
        let docker: Arc<dyn Runtime> = Arc::new(self.docker(endpoint, events.clone(), numbers));
        let packages = packages(&self.config.runtime);
        let runtime = self.auto(process, Arc::clone(&docker), events, packages);
        Ok(Runtimes { runtime, docker: Some((docker, socket)), packages })
    }

    fn auto(
        &self,
        process: Arc<dyn Runtime>,
        docker: Arc<dyn Runtime>,
        events: Events,
        packages: Packages,
    ) -> Arc<dyn Runtime> {
        let clock = self.clock.clone();
        Arc::new(AutoRuntime::new(AutoConfig { process, docker, events, packages, clock }))
    }

    /// Where the engine is, if there may be one. What the environment says of it is for many programs, and mcpd may
    /// be wanted for processes only: then a place that mcpd cannot reach leaves it without containers.
    fn endpoint(&self) -> anyhow::Result<Option<Endpoint>> {
        let config = &self.config.runtime;
        let variable = |name: &str| self.environment.get(name).cloned();
        match (config.kind, Endpoint::find(config.docker.host.as_deref(), variable)) {
            (RuntimeKind::Process, _) => Ok(None),
            (_, Ok(endpoint)) => Ok(Some(endpoint)),
            (RuntimeKind::Auto, Err(error)) => {
                tracing::warn!(%error, "nothing runs in containers");
                Ok(None)
            }
            (RuntimeKind::Docker, Err(error)) => Err(error.into()),
        }
    }

    fn docker(&self, endpoint: Endpoint, events: Events, numbers: RunNumbers) -> DockerRuntime {
        let (clock, settings) = (self.clock.clone(), &self.config.runtime);
        DockerRuntime::new(DockerConfig {
            owner: self.owner.to_owned(),
            endpoint,
            network: settings.network.clone(),
            node_runner_image: settings.node_runner_image.clone(),
            python_runner_image: settings.python_runner_image.clone(),
            limits: Limits {
                memory_mib: Some(settings.docker.memory_mib),
                cpus: Some(settings.docker.cpus),
                pids: Some(settings.docker.pids),
            },
            grace: settings.docker.stop,
            now: Arc::new(move || clock.now()),
            numbers,
            events,
        })
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
