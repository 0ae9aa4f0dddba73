//! From a planned step to the change the store makes; values are sealed on the way.

use mcpd_api::manifest::{Kind, Manifest, SecretManifest};
use mcpd_core::secret::SecretValue;

use super::plan::{Step, backend_columns, canonical};
use super::{ApplyError, Existing};
use crate::secrets::{Resolver, SEALED, SecretData};
use crate::store::{BackendDraft, Change, Expected, SealedValues, SecretDraft, ServerDraft};

/// What changes are made with.
pub(super) struct Drafting<'a> {
    pub(super) resolver: &'a Resolver,
    pub(super) existing: &'a Existing,
    pub(super) default_backend: &'a str,
    /// Whether an apply makes the changes.
    pub(super) applied: bool,
}

impl Drafting<'_> {
    /// The change that carries out a step of a plan.
    pub(super) async fn put(&self, step: &Step, manifest: &Manifest) -> Result<Change, ApplyError> {
        let (applied, expected) = (self.applied, step.expected);
        Ok(match manifest {
            Manifest::Server(server) => {
                let draft =
                    ServerDraft { name: server.name.as_str().into(), manifest: canonical(manifest), applied };
                Change::PutServer(draft, expected)
            }
            Manifest::Secret(secret) => Change::PutSecret(self.secret(secret).await?, expected),
            Manifest::SecretBackend(backend) => {
                let (backend_type, config) = backend_columns(backend);
                let is_default = self.existing.find_backend(&backend.name).is_some_and(|row| row.is_default);
                let draft =
                    BackendDraft { name: backend.name.clone(), backend_type, config, is_default, applied };
                Change::PutBackend(draft, expected)
            }
            Manifest::Probe(probe) => return Err(super::rules::refuse_probe(&probe.name).into()),
        })
    }

    async fn secret(&self, manifest: &SecretManifest) -> Result<SecretDraft, ApplyError> {
        let (name, applied) = (manifest.name.clone(), self.applied);
        let backend = manifest.backend.clone().unwrap_or_else(|| self.default_backend.to_owned());
        let Some(data) = &manifest.data else {
            let kept = self.existing.find_secret(&name).filter(|row| row.backend == backend);
            let values = kept.map_or(SealedValues::Replace(Vec::new()), |_| SealedValues::Keep);
            let keys = kept.map(|row| row.keys.clone()).unwrap_or_default();
            return Ok(SecretDraft { name, backend, keys, values, applied });
        };
        let keys = data.keys().cloned().collect();
        let value = |text: &str| SecretValue::new(text.to_owned());
        let data: SecretData = data.iter().map(|(key, text)| (key.clone(), value(text.expose()))).collect();
        // The rules let only backends of the sealed type take values, and all of those seal alike; the one
        // named may be as new as the secret.
        let values = self.resolver.write(SEALED, &name, &data).await.map_err(ApplyError::Secret)?;
        Ok(SecretDraft { name, backend, keys, values, applied })
    }
}

/// The change that removes a pruned object.
pub(super) fn removal(step: &Step) -> Option<Change> {
    removal_of(step.kind, &step.name, step.expected)
}

/// The change that removes an object; `None` for a kind that is not stored.
pub(super) fn removal_of(kind: Kind, name: &str, expected: Expected) -> Option<Change> {
    match kind {
        Kind::Server => Some(Change::DeleteServer(name.into(), expected)),
        Kind::Secret => Some(Change::DeleteSecret(name.to_owned(), expected)),
        Kind::SecretBackend => Some(Change::DeleteBackend(name.to_owned(), expected)),
        Kind::Probe => None,
    }
}

/// The order in which changes hold together: what others refer to is made first and removed last.
pub(super) fn in_order(mut changes: Vec<Change>) -> Vec<Change> {
    changes.sort_by_key(|change| match change {
        Change::PutBackend(..) => 0,
        Change::PutSecret(..) => 1,
        Change::PutServer(..) => 2,
        Change::RestartServer(..) => 3,
        Change::DeleteServer(..) => 4,
        Change::DeleteSecret(..) => 5,
        Change::DeleteBackend(..) => 6,
    });
    changes
}
