//! Scenarios, the test harness for probes: what the server will say, and what the probe must conclude.
//!
//! The same host with the same limits runs the probe; only the MCP side is scripted, and time is virtual. Run
//! them on [`runtime`]: its clock stands still and jumps to the next thing that is waited for.

mod document;
mod script;
mod verify;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};

use crate::clock::Clock;
use crate::grant::Grant;
use crate::host::{Check, ProbeHost};
use crate::probe::Probe;
use crate::report::CheckReport;
use crate::target::Target;
use document::Document;
use script::Script;

/// Where virtual time begins: 2026-01-01T00:00:00Z.
const EPOCH: Clock = Clock::Virtual { unix_ms: 1_767_225_600_000, seed: 1 };

/// One scenario, parsed.
#[derive(Debug)]
pub struct Scenario {
    document: Document,
}

/// Why a text is no scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// Not YAML, or not the members of a scenario.
    #[error("the scenario could not be read: {0}")]
    Document(#[from] serde_yaml_ng::Error),
    /// An expected message between slashes is no regular expression.
    #[error("the expected message is no regular expression: {0}")]
    Pattern(#[from] regex::Error),
}

/// What came of a scenario.
#[derive(Debug)]
pub struct ScenarioOutcome {
    /// Its name.
    pub name: String,
    /// What the check found.
    pub report: CheckReport,
    /// What was not as expected, a line each; empty when it holds.
    pub mismatches: Vec<String>,
}

/// A runtime with virtual time, for [`Scenario::run`].
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_time().start_paused(true).build()
}

impl Scenario {
    /// Parses one YAML document. Unknown members are refused.
    pub fn parse(yaml: &str) -> Result<Self, ScenarioError> {
        let document: Document = serde_yaml_ng::from_str(yaml)?;
        document.expect.pattern()?;
        Ok(Self { document })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// Runs the probe against the script and compares.
    pub async fn run(&self, host: &ProbeHost, probe: &Probe) -> ScenarioOutcome {
        let script = Arc::new(Script::new(self.document.calls.clone(), probe.limits()));
        let report = host.check(probe, self.check(script.clone())).await;
        let mut mismatches = script.mismatches();
        mismatches.extend(verify::verify(&self.document.expect, &report));
        ScenarioOutcome { name: self.document.name.clone(), report, mismatches }
    }

    fn check(&self, calls: Arc<Script>) -> Check {
        let Document { server, health_check, .. } = &self.document;
        let target = Target {
            server: server.name.clone(),
            instance: "scenario".to_owned(),
            transport: server.transport.clone(),
            protocol_version: server.protocol_version.clone(),
            server_info: server.info.as_ref().map(ToString::to_string),
            info: "{}".to_owned(),
            config: health_check.config.to_string(),
            tool: health_check.tool.clone(),
            arguments: health_check.arguments.to_string(),
        };
        let allow = &health_check.allow;
        let grant = Grant::new(health_check.tool.as_deref(), allow.tools.clone(), allow.methods.clone());
        Check {
            target: Arc::new(target),
            calls,
            grant: Arc::new(grant),
            state: Arc::default(),
            timeout: Duration::from_secs_f64(health_check.timeout_seconds),
            clock: EPOCH,
        }
    }
}
