//! An owner of its own for each test, all of whose containers are gone after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use mcpd::runtime::docker::{DockerConfig, DockerRuntime};
use mcpd::runtime::{Exit, Launch, Limits, PullPolicy, RunNumbers};

use super::engine::{Engine, IMAGE};
use crate::conformance::Subject;

/// Where one test runs its servers.
pub(crate) struct Place {
    pub(crate) engine: Engine,
    pub(crate) owner: String,
}

impl Place {
    /// A place on the engine of this machine, where there is one.
    pub(crate) fn find() -> Option<Self> {
        Engine::find().map(Self::at)
    }

    pub(crate) fn at(engine: Engine) -> Self {
        static PLACES: AtomicU32 = AtomicU32::new(0);
        let number = PLACES.fetch_add(1, Ordering::Relaxed);
        // Eight characters of it go into the names of containers.
        let owner = format!("{:05x}{number:03x}-test", std::process::id() & 0xf_ffff);
        Self { engine, owner }
    }

    pub(crate) fn config(&self) -> DockerConfig {
        DockerConfig {
            owner: self.owner.clone(),
            endpoint: self.engine.endpoint.clone(),
            network: "none".to_owned(),
            node_runner_image: None,
            python_runner_image: None,
            limits: Limits::default(),
            grace: Duration::from_secs(1),
            now: Arc::new(now),
            numbers: RunNumbers::default(),
            events: mcpd::runtime::events(),
        }
    }

    /// The configuration with a network of this place's own, which is made when it is wanted.
    pub(crate) fn networked(&self) -> DockerConfig {
        DockerConfig { network: self.network(), ..self.config() }
    }

    pub(crate) fn network(&self) -> String {
        format!("mcpd-test-{}", self.owner)
    }

    pub(crate) fn runtime(&self) -> Arc<DockerRuntime> {
        Arc::new(DockerRuntime::new(self.config()))
    }

    pub(crate) fn subject(&self) -> Subject {
        subject(self.config())
    }

    /// The name of the container that the instance has.
    pub(crate) fn name(&self, instance: &str) -> String {
        format!("mcpd-{}-{instance}", &self.owner[..8])
    }

    /// The names of all containers of this place.
    pub(crate) fn names(&self) -> Vec<String> {
        let filter = format!("label=mcpd.owner={}", self.owner);
        let names = self.engine.docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]);
        names.lines().map(str::to_owned).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let filter = format!("label=mcpd.owner={}", self.owner);
        let Ok(ids) = self.engine.try_docker(&["ps", "-aq", "--filter", &filter]) else { return };
        for id in ids.lines() {
            let _ = self.engine.try_docker(&["rm", "-fv", id]);
        }
        // Most tests have made none.
        let _ = self.engine.try_docker(&["network", "rm", &self.network()]);
    }
}

pub(crate) fn subject(config: DockerConfig) -> Subject {
    let runtime = Arc::new(DockerRuntime::new(config));
    let missing = (image("mcpd-test-images/no-such-image", &[]), "No such image");
    Subject { runtime, shell, missing, killed: Exit::Code(137) }
}

pub(crate) fn shell(script: &str) -> Launch {
    image(IMAGE, &["/bin/sh", "-c", script])
}

pub(crate) fn image(image: &str, command: &[&str]) -> Launch {
    Launch::Image {
        image: image.to_owned(),
        command: command.iter().map(|&word| word.to_owned()).collect(),
        pull: PullPolicy::Never,
        credentials: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "an engine lives by the clock of the wall")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
