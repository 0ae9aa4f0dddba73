//! What the owner of a server should know although the manifest is accepted (behaviour 3.5).

use std::collections::BTreeMap;

use mcpd_api::manifest::{EnvEntry, EnvSource, Launch, Manifest, ServerManifest, Transport};
use mcpd_probe::builtin;

use super::Existing;
use crate::secrets::SEALED;

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
    pub fn warnings(&self, manifest: &ServerManifest) -> Vec<String> {
        let mut warnings: Vec<_> = manifest.env.iter().filter_map(|entry| self.missing(entry)).collect();
        warnings.extend(without_runtime(manifest).into_iter().map(str::to_owned));
        warnings.extend(without_probe(manifest));
        warnings
    }

    fn missing(&self, entry: &EnvEntry) -> Option<String> {
        let EnvSource::Secret { name, key, .. } = &entry.source else { return None };
        let variable = &entry.name;
        let lacking = match self.0.get(name) {
            None => format!("there is no secret {name}"),
            Some(Some(keys)) if !keys.contains(key) => format!("secret {name} has no key {key}"),
            Some(_) => return None,
        };
        Some(format!("variable {variable}: {lacking}, and nothing is started without it"))
    }
}

/// What the runtime of this version, processes of the host over standard input and output, does not do.
fn without_runtime(manifest: &ServerManifest) -> Vec<&'static str> {
    match &manifest.launch {
        Launch::Image { .. } => {
            return vec!["dockerImage: this mcpd has no container engine, so no instance can start"];
        }
        Launch::External { .. } => return vec!["externalUrl: this mcpd connects to no external server yet"],
        Launch::Package { .. } | Launch::Command { .. } => {}
    }
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
    ];
    findings.into_iter().filter_map(|(is_so, words)| is_so.then_some(words)).collect()
}

fn without_probe(manifest: &ServerManifest) -> Option<String> {
    let probe = manifest.health_check.as_ref()?.probe.as_ref()?;
    // Those that are built in are the only ones of this version.
    (!builtin::ALL.iter().any(|known| known.name == probe.as_str()))
        .then(|| format!("healthCheck.probe: there is no probe {probe}, so its checks tell nothing"))
}
