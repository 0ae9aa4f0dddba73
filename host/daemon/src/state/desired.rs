//! What is wanted of a server: its manifest, read once, in the words of those who act on it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcpd_api::manifest::{self, Context, EnvSource, HealthCheck, Kind, Launch, Manifest, ServerManifest};
use mcpd_core::env::{self, SecretRef};
use mcpd_core::name::ServerName;
use mcpd_core::server::{CheckPolicy, OnUnhealthy, Revision, Server, Strategy, Wish};
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

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
    /// Hash of the launch fields and of the restarts people asked for.
    pub launch_hash: String,
    /// Its variables.
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

/// Health checks of servers that bring none, from the configuration.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The numbers where nothing else is said.
    pub policy: CheckPolicy,
    /// By image or package name.
    pub by_product: Vec<(String, HealthCheck)>,
    /// By transport: `STDIO`, `SSE`, `STREAMABLE_HTTP`.
    pub by_transport: Vec<(String, HealthCheck)>,
}

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
        let value: Value = serde_json::from_str(&row.manifest).map_err(|error| unreadable(error.to_string()))?;
        let context = Context::named(Kind::Server, row.name.as_str());
        let manifest = match manifest::parse(&value, &context) {
            Ok(Manifest::Server(manifest)) => *manifest,
            Ok(other) => return Err(unreadable(format!("it is a {}", other.kind()))),
            Err(mistakes) => {
                let words: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                return Err(unreadable(words.join("; ")));
            }
        };
        Ok(Self {
            name: row.name.clone(),
            version: row.version,
            wish: if row.deleting { Wish::Delete } else { Wish::Keep },
            created_at: row.created_at,
            updated_at: row.updated_at,
            launch_hash: launch_hash(&value, row.restart_nonce),
            env: manifest.env.iter().map(env_entry).collect(),
            check: check_plan(&manifest, defaults).map(Arc::new),
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

/// Changes when, and only when, a launch field changes or a restart was asked for. Half of a SHA-256 is
/// plenty to tell revisions of one server apart.
fn launch_hash(manifest: &Value, restart_nonce: i64) -> String {
    let mut launched = manifest.clone();
    if let Some(fields) = launched.as_object_mut() {
        fields.retain(|field, _| !FIELDS_NOT_LAUNCHED.contains(&field.as_str()));
    }
    let digest = Sha256::digest(format!("{launched}#{restart_nonce}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn check_plan(manifest: &ServerManifest, defaults: &Defaults) -> Option<CheckPlan> {
    let fallback = HealthCheck::default();
    let given = manifest.health_check.as_ref().or_else(|| defaults.find(manifest)).unwrap_or(&fallback);
    if given.disabled {
        return None;
    }
    let probe = match (&given.probe, &given.tool) {
        (Some(probe), _) => probe.clone(),
        (None, Some(_)) => mcpd_probe::builtin::TOOL_CALL.to_owned(),
        (None, None) => mcpd_probe::builtin::LIVENESS.to_owned(),
    };
    let object = |map: &Option<serde_json::Map<String, Value>>| {
        map.as_ref().map_or_else(|| "{}".to_owned(), |map| Value::Object(map.clone()).to_string())
    };
    let allow = given.allow.clone().unwrap_or_default();
    Some(CheckPlan {
        probe,
        tool: given.tool.clone(),
        arguments: object(&given.arguments),
        config: object(&given.config),
        allowed_tools: allow.tools,
        allowed_methods: allow.methods,
        policy: policy(given, &defaults.policy),
    })
}

fn policy(given: &HealthCheck, defaults: &CheckPolicy) -> CheckPolicy {
    let or = |given: Option<Duration>, default: Duration| given.unwrap_or(default);
    CheckPolicy {
        interval: or(given.interval, defaults.interval),
        timeout: or(given.timeout, defaults.timeout),
        failure_threshold: given.failure_threshold.unwrap_or(defaults.failure_threshold),
        success_threshold: given.success_threshold.unwrap_or(defaults.success_threshold),
        initial_delay: or(given.initial_delay, defaults.initial_delay),
        startup: or(given.startup, defaults.startup),
    }
}

impl Defaults {
    /// The check for servers of this product, else for those of this transport.
    fn find(&self, manifest: &ServerManifest) -> Option<&HealthCheck> {
        let product = match &manifest.launch {
            Launch::Image { image, .. } => Some(image),
            Launch::Package { package, .. } => Some(package),
            Launch::Command { .. } | Launch::External { .. } => None,
        };
        let transport = serde_json::to_value(manifest.transport).unwrap_or_default();
        let by = |list: &'_ [(String, HealthCheck)], key: &str| {
            list.iter().position(|(name, _)| name == key)
        };
        product
            .and_then(|product| by(&self.by_product, product).map(|at| &self.by_product[at].1))
            .or_else(|| by(&self.by_transport, transport.as_str()?).map(|at| &self.by_transport[at].1))
    }
}
