//! `kind: server`: what to run, how many, and how to check it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::env::{EnvEntry, read_env};
use super::health_check::{self, HealthCheck};
use super::launch::{self, Launch};
use crate::bounds;
use crate::reader::Reader;
use crate::text;

/// The MCP revisions that mcpd speaks, oldest first.
pub const PROTOCOL_VERSIONS: [&str; 5] =
    ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// How long a rollout may take before it is called stuck, where the manifest does not say.
pub const PROGRESS_DEADLINE_DEFAULT: Duration = Duration::from_mins(10);

const REPLICAS_DEFAULT: u64 = 1;

/// A server as its owner wants it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerManifest {
    /// A DNS label.
    pub name: String,
    /// For people, 1 KiB at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How it is spoken to; always written, so that readers need not know the default.
    pub transport: Transport,
    /// What runs.
    #[serde(flatten)]
    pub launch: Launch,
    /// Variables of the process or container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvEntry>,
    /// How many, 0 to 10; always written, so that readers need not know the default.
    pub replicas: u32,
    /// Up to 64, for people and selectors.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What each instance may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Folders of the host in the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Whether the container cannot write to its own image's file system; `/tmp` is in memory then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_root_filesystem: bool,
    /// How a changed spec replaces the instances.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    /// Whether bad health restarts.
    #[serde(skip_serializing_if = "is_default")]
    pub on_unhealthy: OnUnhealthy,
    /// One of [`PROTOCOL_VERSIONS`]; `None` negotiates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// How long a rollout may take before it is called stuck, 1 s to a day.
    #[serde(
        rename = "progressDeadlineSeconds",
        with = "crate::seconds",
        skip_serializing_if = "is_default_deadline"
    )]
    pub progress_deadline: Duration,
    /// How it is checked; `None` is the default check of behaviour 6.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Transport {
    /// Lines over standard input and output.
    #[default]
    Stdio,
    /// The older HTTP transport with an event stream.
    Sse,
    /// The newer one.
    StreamableHttp,
}

/// How a changed spec replaces the instances (behaviour 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// A new one is Ready before an old one goes.
    #[default]
    Rolling,
    /// The old ones go first.
    Recreate,
}

/// Whether bad health restarts an instance (behaviour 6.12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnhealthy {
    /// It is shown and nothing else.
    #[default]
    None,
    /// Failures that a restart could mend do.
    Restart,
}

/// What an instance may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Resources {
    /// Memory in MiB.
    #[serde(rename = "memoryMiB", skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Processors, fractional.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u32>,
}

/// A folder of the host, or a volume of the engine, in a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Absolute path on the host; not `/`.
    pub source: String,
    /// Absolute path in the container; not `/`, and of no other volume.
    pub target: String,
    /// Whether it can only be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
}

/// Reads all fields before it gives up, so that every mistake is seen.
pub(super) fn read(reader: &mut Reader<'_>, name: String) -> Option<ServerManifest> {
    let launch = launch::read(reader);
    let transport = read_transport(reader, launch.as_ref());
    let description = reader.filled("description", &text::DESCRIPTION);
    let env = read_env(reader);
    let replicas = reader.integer("replicas", bounds::REPLICAS).unwrap_or(REPLICAS_DEFAULT);
    let labels = reader.pairs("labels", bounds::LABELS_MAX, &text::LABEL_KEY, &text::LABEL_VALUE);
    let resources = reader.nested("resources").map(read_resources);
    let volumes = read_volumes(reader);
    let read_only_root_filesystem = reader.flag("readOnlyRootFilesystem");
    let strategies = [("rolling", Strategy::Rolling), ("recreate", Strategy::Recreate)];
    let strategy = reader.word("strategy", &strategies).unwrap_or_default();
    let reactions = [("none", OnUnhealthy::None), ("restart", OnUnhealthy::Restart)];
    let on_unhealthy = reader.word("onUnhealthy", &reactions).unwrap_or_default();
    let protocol_version = reader.word("protocolVersion", &PROTOCOL_VERSIONS.map(|word| (word, word)));
    let deadline = reader.seconds("progressDeadlineSeconds", bounds::PROGRESS_DEADLINE_SECONDS);
    let health_check = reader.nested("healthCheck").map(health_check::read);
    Some(ServerManifest {
        name,
        description,
        transport,
        launch: launch?,
        env,
        replicas: u32::try_from(replicas).ok()?,
        labels: labels.unwrap_or_default(),
        resources,
        volumes,
        read_only_root_filesystem,
        strategy,
        on_unhealthy,
        protocol_version: protocol_version.map(str::to_owned),
        progress_deadline: deadline.unwrap_or(PROGRESS_DEADLINE_DEFAULT),
        health_check,
    })
}

/// The transport, checked against what is launched: only an external server has to speak HTTP, and a
/// container that does has to say where.
fn read_transport(reader: &mut Reader<'_>, launch: Option<&Launch>) -> Transport {
    let words = [
        ("STDIO", Transport::Stdio),
        ("SSE", Transport::Sse),
        ("STREAMABLE_HTTP", Transport::StreamableHttp),
    ];
    let given = reader.word("transport", &words);
    match (launch, given) {
        (Some(Launch::External { .. }), Some(Transport::Stdio)) => {
            reader.wrong("transport", "must be SSE or STREAMABLE_HTTP with externalUrl");
        }
        (Some(Launch::External { .. }), None) => return Transport::StreamableHttp,
        (
            Some(Launch::Image { container_port: None, .. }),
            Some(Transport::Sse | Transport::StreamableHttp),
        ) if !reader.has("containerPort") => {
            reader.wrong("containerPort", "is missing, a container with SSE or STREAMABLE_HTTP needs it");
        }
        _ => {}
    }
    given.unwrap_or_default()
}

fn read_resources(mut reader: Reader<'_>) -> Resources {
    let small = |number: u64| u32::try_from(number).ok();
    let resources = Resources {
        memory_mib: reader.integer("memoryMiB", bounds::MEMORY_MIB).and_then(small),
        cpus: reader.number("cpus", bounds::CPUS),
        pids: reader.integer("pids", bounds::PIDS).and_then(small),
    };
    reader.finish();
    resources
}

fn read_volumes(reader: &mut Reader<'_>) -> Vec<Volume> {
    let mut targets = BTreeSet::new();
    reader.objects("volumes", bounds::VOLUMES_MAX, |volume| {
        let source = read_path(volume, "source", "would give the whole host to the container");
        let target = read_path(volume, "target", "would hide the whole image");
        if !target.is_empty() && !targets.insert(target.clone()) {
            volume.wrong("target", format!("{target} is the target of another volume already"));
        }
        Some(Volume { source, target, read_only: volume.flag("readOnly") })
    })
}

/// A path in its one spelling, so that equal ones are seen to be equal.
fn read_path(volume: &mut Reader<'_>, field: &'static str, harm_of_root: &str) -> String {
    let path = volume.required(field, &text::PATH);
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        volume.wrong(field, "must not go up with `..`");
    } else if parts.is_empty() && !path.is_empty() {
        volume.wrong(field, format!("must not be /, which {harm_of_root}"));
    }
    if path.is_empty() { path } else { format!("/{}", parts.join("/")) }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_default_deadline(deadline: &Duration) -> bool {
    *deadline == PROGRESS_DEADLINE_DEFAULT
}
