//! What the owner of a server should know although the manifest is accepted (behaviour 3.5).

use std::collections::BTreeMap;

use mcpd_api::manifest::{EnvEntry, EnvSource, Launch, Manifest, PackageRuntime, ServerManifest, Transport};
use mcpd_probe::builtin;

use super::Existing;
use crate::http::engine::Containers;
use crate::runtime::Sight;
use crate::runtime::auto::PackagePlace;
use crate::secrets::SEALED;

/// The keys of a secret that logs in at a registry.
const PULL_SECRET_KEYS: [&str; 2] = ["username", "password"];

/// All secrets with their keys, `None` where only their backend knows these.
#[derive(Clone, Debug, Default)]
pub struct KnownSecrets(BTreeMap<String, Option<Vec<String>>>);

impl KnownSecrets {
    /// Those in the store.
    pub fn of(existing: &Existing) -> Self {
        let keys = |row: &crate::store::SecretRow| {
            let is_sealed = existing.type_of_backend(&row.backend) == Some(SEALED);
            (row.name.clone(), is_sealed.then(|| row.keys.clone()))
        };
        Self(existing.secrets.iter().map(keys).collect())
    }

    /// With those that a list is about to write.
    pub(super) fn with(mut self, manifests: &[Manifest]) -> Self {
        for manifest in manifests {
            let Manifest::Secret(secret) = manifest else { continue };
            let keys = secret.data.as_ref().map(|data| data.keys().cloned().collect());
            let known = self.0.entry(secret.name.clone()).or_default();
            *known = keys.or(known.take());
        }
        self
    }

    /// What the owner of the server should know; one sentence for each.
    pub fn warnings(&self, manifest: &ServerManifest, containers: &Containers) -> Vec<String> {
        let mut warnings: Vec<_> = manifest.env.iter().filter_map(|entry| self.missing(entry)).collect();
        warnings.extend(self.missing_login(&manifest.launch));
        warnings.extend(of_runtime(manifest, containers));
        warnings.extend(without_probe(manifest));
        warnings
    }

    fn missing(&self, entry: &EnvEntry) -> Option<String> {
        let EnvSource::Secret { name, key, .. } = &entry.source else { return None };
        let lacking = self.lacking(name, key)?;
        Some(format!("variable {}: {lacking}, and nothing is started without it", entry.name))
    }

    fn missing_login(&self, launch: &Launch) -> Option<String> {
        let Launch::Image { pull_secret: Some(secret), .. } = launch else { return None };
        let lacking = PULL_SECRET_KEYS.into_iter().find_map(|key| self.lacking(secret, key))?;
        Some(format!("imagePullSecret: {lacking}, and nothing is started without it"))
    }

    fn lacking(&self, secret: &str, key: &str) -> Option<String> {
        match self.0.get(secret) {
            None => Some(format!("there is no secret {secret}")),
            Some(Some(keys)) if !keys.iter().any(|known| known == key) => {
                Some(format!("secret {secret} has no key {key}"))
            }
            Some(_) => None,
        }
    }
}

/// What the runtime that the server is bound for does not do.
fn of_runtime(manifest: &ServerManifest, containers: &Containers) -> Vec<String> {
    let place = match &manifest.launch {
        Launch::External { .. } => {
            return vec!["externalUrl: this mcpd connects to no external server yet".to_owned()];
        }
        Launch::Image { .. } => PackagePlace::Container,
        Launch::Command { .. } => PackagePlace::Host,
        Launch::Package { runtime: PackageRuntime::Node, .. } => containers.packages.node,
        Launch::Package { runtime: PackageRuntime::Python, .. } => containers.packages.python,
    };
    let engine = containers.engine.as_ref();
    match place {
        PackagePlace::Nowhere(key) => vec![format!(
            "packageName: runtime.kind is docker and {key} names no image, so no instance can start"
        )],
        PackagePlace::ContainerIfAny if matches!(engine, Some(Sight::Lost(_))) => on_host(manifest),
        PackagePlace::Container | PackagePlace::ContainerIfAny => in_container(manifest, engine),
        PackagePlace::Host => on_host(manifest),
    }
}

fn in_container(manifest: &ServerManifest, engine: Option<&Sight>) -> Vec<String> {
    let field = manifest.launch.field();
    let lacking = match engine {
        Some(Sight::Seen(_) | Sight::Unneeded) => None,
        Some(Sight::Lost(reason)) => {
            Some(format!("no instance can start until the container engine answers: {reason}"))
        }
        None => Some("no instance can start, for this mcpd uses no container engine".to_owned()),
    };
    let unconnected =
        "transport: this mcpd has no HTTP transport yet, so the server runs and is not connected";
    let unconnected = (manifest.transport != Transport::Stdio).then(|| unconnected.to_owned());
    lacking.map(|words| format!("{field}: {words}")).into_iter().chain(unconnected).collect()
}

fn on_host(manifest: &ServerManifest) -> Vec<String> {
    let findings = [
        (
            manifest.transport != Transport::Stdio,
            "transport: processes of the host are spoken to over STDIO only",
        ),
        (manifest.resources.is_some(), "resources: not enforced for processes of the host"),
        (
            !manifest.volumes.is_empty(),
            "volumes: processes of the host see the folders of the host as they are",
        ),
        (
            manifest.read_only_root_filesystem,
            "readOnlyRootFilesystem: processes of the host write where their user may",
        ),
    ];
    findings.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| words.to_owned()).collect()
}

fn without_probe(manifest: &ServerManifest) -> Option<String> {
    let probe = manifest.health_check.as_ref()?.probe.as_ref()?;
    // Those that are built in are the only ones of this version.
    (!builtin::ALL.iter().any(|known| known.name == probe.as_str()))
        .then(|| format!("healthCheck.probe: there is no probe {probe}, so its checks tell nothing"))
}
