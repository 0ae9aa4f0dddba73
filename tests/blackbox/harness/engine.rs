//! A container engine as the tests speak to it: by the program `docker`, as people do.

use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use super::program::skipped;

const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// For one command, in seconds. An engine that is frozen answers none, and the test must say so itself.
const COMMAND_SECONDS: &str = "60";
/// For the first word of an engine, in seconds.
const GREETING_SECONDS: &str = "5";

/// Where an engine listens. It answered when this was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Engine {
    host: String,
}

impl Engine {
    /// The engine of this machine; where none answers, a line says that the test is skipped.
    ///
    /// # Panics
    /// Where none answers and one has to.
    #[expect(clippy::disallowed_methods, reason = "which engine there is is a matter of the machine")]
    pub(crate) fn find() -> Option<Self> {
        static FOUND: OnceLock<Option<Engine>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_HOST.to_owned());
            Self::at(host)
        });
        if found.is_none() {
            skipped("no container engine answers", "docker");
        }
        found.clone()
    }

    /// The one that listens there, where it answers.
    pub(crate) fn at(host: String) -> Option<Self> {
        let engine = Self { host };
        let greeting = engine.command(GREETING_SECONDS, &["version", "--format", "{{.Server.APIVersion}}"]);
        greeting.ok().filter(|output| output.status.success())?;
        Some(engine)
    }

    /// As `DOCKER_HOST` has it.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What a command prints.
    ///
    /// # Panics
    /// When it fails.
    pub(crate) fn docker(&self, words: &[&str]) -> String {
        self.try_docker(words).unwrap_or_else(|error| panic!("docker {words:?}: {error}"))
    }

    /// What a command prints, or its stderr where it failed.
    pub(crate) fn try_docker(&self, words: &[&str]) -> Result<String, String> {
        let output = self.command(COMMAND_SECONDS, words).map_err(|error| error.to_string())?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// `docker inspect` of what is there; what has gone meanwhile is left out.
    pub(crate) fn inspect(&self, ids: &[&str]) -> Vec<Value> {
        if ids.is_empty() {
            return Vec::new();
        }
        let output = self.command(COMMAND_SECONDS, &[&["container", "inspect"], ids].concat()).unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    #[expect(clippy::disallowed_methods, reason = "the tests speak to the engine as people do")]
    fn command(&self, seconds: &str, words: &[&str]) -> std::io::Result<Output> {
        Command::new("timeout").args([seconds, "docker", "-H", &self.host]).args(words).output()
    }
}
