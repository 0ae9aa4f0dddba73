//! What is wanted of a server: its manifest, read once, in the words of those who act on it.

use std::sync::Arc;

use jiff::Timestamp;
use mcpd_api::manifest::{self, Context, EnvSource, HealthCheck, Kind, Launch, Manifest, ServerManifest};
use mcpd_core::env::{self, SecretRef};
use mcpd_core::name::ServerName;
use mcpd_core::server::{CheckPolicy, OnUnhealthy, Revision, Server, Strategy, Wish};
use mcpd_probe::builtin;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::config;
use crate::store::ServerRow;

/// Fields of a manifest that are not about how it is launched (behaviour 5.4).
const FIELDS_NOT_LAUNCHED: [&str; 8] = [
    "name",
    "description",
    "labels",
    "replicas",
    "strategy",
    "onUnhealthy",
    "healthCheck",
    "progressDeadlineSeconds",
];

/// Stands among the variables for the user of the image's registry; no variable can be called so.
pub const PULL_USERNAME: &str = "imagePullSecret.username";
/// The same for the password.
pub const PULL_PASSWORD: &str = "imagePullSecret.password";

/// What is wanted of one server.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Its name.
    pub name: ServerName,
    /// The manifest.
    pub manifest: ServerManifest,
    /// Counts up with each change; `If-Match` names it.
    pub version: i64,
    /// Whether it is to go.
    pub wish: Wish,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// How often people asked for a restart.
    pub restart_nonce: i64,
    /// Hash of the launch fields and of the restarts people asked for.
    pub launch_hash: String,
    /// Its variables, and the login of its image's registry as [`PULL_USERNAME`] and [`PULL_PASSWORD`]: all of
    /// it is resolved, or nothing is started.
    pub env: Vec<env::EnvEntry>,
    /// How it is checked; `None` when checks are disabled.
    pub check: Option<Arc<CheckPlan>>,
}

/// How a server is checked, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckPlan {
    /// Name of the probe.
    pub probe: String,
    /// The tool it is told to call.
    pub tool: Option<String>,
    /// The tool's arguments, a JSON object.
    pub arguments: String,
    /// The probe's own settings, a JSON object.
    pub config: String,
    /// Tools granted beside `tool`.
    pub allowed_tools: Vec<String>,
    /// Methods granted beside the read-only ones.
    pub allowed_methods: Vec<String>,
    /// The numbers.
    pub policy: CheckPolicy,
}

/// What the configuration says of health checks where the manifest says nothing.
#[derive(Clone, Debug, Default)]
pub struct Defaults(pub config::Checks);

/// A row of the store that cannot be read as a manifest.
#[derive(Debug, Error)]
#[error("server {name} in the store is not a manifest of this version: {mistakes}")]
pub struct DesiredError {
    name: ServerName,
    mistakes: String,
}

impl Desired {
    /// Reads a row of the store.
    pub fn from_row(row: &ServerRow, defaults: &Defaults) -> Result<Self, DesiredError> {
        let unreadable = |mistakes: String| DesiredError { name: row.name.clone(), mistakes };
        let value: Value =
            serde_json::from_str(&row.manifest).map_err(|error| unreadable(error.to_string()))?;
        let manifest = read(&row.name, &value).map_err(unreadable)?;
        let checked = read(&row.name, &defaults.lay_under(&manifest, &value)).map_err(unreadable)?;
        let health_check = checked.health_check.unwrap_or_default();
        Ok(Self {
            name: row.name.clone(),
            version: row.version,
            wish: if row.deleting { Wish::Delete } else { Wish::Keep },
            created_at: row.created_at,
            updated_at: row.updated_at,
            restart_nonce: row.restart_nonce,
            launch_hash: launch_hash(&value, row.restart_nonce),
            env: manifest.env.iter().map(env_entry).chain(pull_entries(&manifest.launch)).collect(),
            check: check_plan(&health_check, &defaults.0.policy).map(Arc::new),
            manifest,
        })
    }

    /// The server as `decide` sees it; `secrets` is the hash of the secrets in use, where it is known.
    pub fn to_core(&self, secrets: Option<String>) -> Server {
        Server {
            name: self.name.clone(),
            wish: self.wish,
            replicas: usize::try_from(self.manifest.replicas).unwrap_or(usize::MAX),
            revision: Revision { launch: self.launch_hash.clone(), secrets },
            strategy: match self.manifest.strategy {
                manifest::Strategy::Rolling => Strategy::Rolling,
                manifest::Strategy::Recreate => Strategy::Recreate,
            },
            progress_deadline: self.manifest.progress_deadline,
            on_unhealthy: match self.manifest.on_unhealthy {
                manifest::OnUnhealthy::None => OnUnhealthy::None,
                manifest::OnUnhealthy::Restart => OnUnhealthy::Restart,
            },
            checks: self.check.as_ref().map(|check| check.policy),
        }
    }

    /// The secrets it refers to.
    pub fn secret_refs(&self) -> impl Iterator<Item = &SecretRef> {
        self.env.iter().filter_map(|entry| match &entry.source {
            env::EnvSource::Secret(reference) => Some(reference),
            env::EnvSource::Literal(_) => None,
        })
    }
}

fn read(name: &ServerName, value: &Value) -> Result<ServerManifest, String> {
    match manifest::parse(value, &Context::named(Kind::Server, name.as_str())) {
        Ok(Manifest::Server(manifest)) => Ok(*manifest),
        Ok(other) => Err(format!("it is a {}", other.kind())),
        Err(mistakes) => Err(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}

fn env_entry(entry: &manifest::EnvEntry) -> env::EnvEntry {
    let source = match &entry.source {
        EnvSource::Value(value) => env::EnvSource::Literal(value.clone()),
        EnvSource::Secret { name, key, allow_empty } => env::EnvSource::Secret(SecretRef {
            name: name.clone(),
            key: key.clone(),
            allow_empty: *allow_empty,
        }),
    };
    env::EnvEntry { name: entry.name.clone(), source }
}

fn pull_entries(launch: &Launch) -> Vec<env::EnvEntry> {
    let Launch::Image { pull_secret: Some(secret), .. } = launch else { return Vec::new() };
    let entry = |name: &str, key: &str| {
        let reference = SecretRef { name: secret.clone(), key: key.to_owned(), allow_empty: false };
        env::EnvEntry { name: name.to_owned(), source: env::EnvSource::Secret(reference) }
    };
    vec![entry(PULL_USERNAME, "username"), entry(PULL_PASSWORD, "password")]
}

/// Changes when, and only when, a launch field changes or a restart was asked for. Half of a SHA-256 is
/// plenty to tell revisions of one server apart.
fn launch_hash(manifest: &Value, restart_nonce: i64) -> String {
    let mut launched = manifest.clone();
    if let Some(fields) = launched.as_object_mut() {
        fields.retain(|field, _| !FIELDS_NOT_LAUNCHED.contains(&field.as_str()));
    }
    let digest = Sha256::digest(format!("{launched}#{restart_nonce}"));
    digest.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn check_plan(given: &HealthCheck, numbers: &CheckPolicy) -> Option<CheckPlan> {
    if given.disabled {
        return None;
    }
    let probe = match (&given.probe, &given.tool) {
        (Some(probe), _) => probe.clone(),
        (None, Some(_)) => builtin::TOOL_CALL.name.to_owned(),
        (None, None) => builtin::LIVENESS.name.to_owned(),
    };
    let allow = given.allow.clone().unwrap_or_default();
    Some(CheckPlan {
        probe,
        tool: given.tool.clone(),
        arguments: object(given.arguments.as_ref()),
        config: object(given.config.as_ref()),
        allowed_tools: allow.tools,
        allowed_methods: allow.methods,
        policy: policy(given, numbers),
    })
}

fn object(map: Option<&Map<String, Value>>) -> String {
    map.map_or_else(|| "{}".to_owned(), |map| Value::Object(map.clone()).to_string())
}

fn policy(given: &HealthCheck, numbers: &CheckPolicy) -> CheckPolicy {
    CheckPolicy {
        interval: given.interval.unwrap_or(numbers.interval),
        timeout: given.timeout.unwrap_or(numbers.timeout),
        failure_threshold: given.failure_threshold.unwrap_or(numbers.failure_threshold),
        success_threshold: given.success_threshold.unwrap_or(numbers.success_threshold),
        initial_delay: given.initial_delay.unwrap_or(numbers.initial_delay),
        startup: given.startup.unwrap_or(numbers.startup),
    }
}

impl Defaults {
    /// The manifest with its health check laid over those that the configuration has for servers like it.
    fn lay_under(&self, manifest: &ServerManifest, value: &Value) -> Value {
        let (image, package) = match &manifest.launch {
            Launch::Image { image, .. } => (Some(image.as_str()), None),
            Launch::Package { package, .. } => (None, Some(package.as_str())),
            Launch::Command { .. } | Launch::External { .. } => (None, None),
        };
        let transport = serde_json::to_value(manifest.transport).unwrap_or_default();
        let layers = self.0.layers(transport.as_str().unwrap_or_default(), image, package);
        let mut laid = value.clone();
        if layers.is_empty() {
            return laid;
        }
        let own = value.get("healthCheck").cloned().unwrap_or_else(|| Value::Object(Map::new()));
        let health_check = layers.into_iter().chain([&own]).fold(Map::new(), overlay);
        laid["healthCheck"] = Value::Object(health_check);
        laid
    }
}

/// Fields of the upper layer win. A layer that says what to call says all of it: its `tool` or `probe` does
/// not go with arguments that another layer meant for another tool.
fn overlay(mut below: Map<String, Value>, above: &Value) -> Map<String, Value> {
    let Some(above) = above.as_object() else { return below };
    if above.contains_key("tool") || above.contains_key("probe") {
        for field in ["tool", "probe", "arguments", "config"] {
            below.remove(field);
        }
    }
    below.extend(above.clone());
    below
}

#[cfg(test)]
#[path = "desired_tests.rs"]
mod tests;
