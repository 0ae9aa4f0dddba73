//! What a list of manifests means for what is there: values in, steps out.

use std::collections::{BTreeMap, BTreeSet};

use mcpd_api::manifest::{Kind, Manifest, SecretBackendManifest, SecretManifest, ServerManifest};
use mcpd_api::problem::{Code, Problem};
use mcpd_api::view::{ApplyAction, ApplyItem};
use serde_json::Value;

use super::rules::{Prospect, refuse_probe};
use super::{Existing, KnownSecrets, LeftOut};
use crate::http::engine::Containers;
use crate::secrets::SEALED;
use crate::store::Expected;

/// One object and what is to be done with it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) action: ApplyAction,
    /// What the plan saw, so that nothing else is overwritten.
    pub(super) expected: Expected,
    pub(super) warnings: Vec<String>,
    pub(super) problem: Option<Problem>,
}

/// What a plan is made from.
pub(super) struct Given<'a> {
    pub(super) manifests: &'a [Manifest],
    pub(super) existing: &'a Existing,
    pub(super) default_backend: &'a str,
    /// Names of the secrets in the list whose values are those their backend holds already.
    pub(super) same_values: &'a BTreeSet<String>,
    /// What the client says it saw.
    pub(super) demanded: Expected,
    pub(super) left_out: LeftOut,
    /// What can be run in containers.
    pub(super) containers: &'a Containers,
    /// The servers that ask for what no container is given, by name.
    pub(super) refused_volumes: &'a BTreeMap<String, Problem>,
}

/// One step for each manifest in the order given, then one for each object that is pruned.
pub(super) fn plan(given: &Given<'_>) -> Vec<Step> {
    let prospect = Prospect {
        existing: given.existing,
        manifests: given.manifests,
        default_backend: given.default_backend,
    };
    let known = KnownSecrets::of(given.existing).with(given.manifests);
    let mut steps: Vec<_> = given
        .manifests
        .iter()
        .map(|manifest| match manifest {
            Manifest::Server(server) => given.server(server, &known),
            Manifest::Secret(secret) => given.secret(secret, &prospect),
            Manifest::SecretBackend(backend) => given.backend(backend, &prospect),
            Manifest::Probe(probe) => {
                Step::new(Kind::Probe, &probe.name, None, false).refused(Some(refuse_probe(&probe.name)))
            }
        })
        .collect();
    if given.left_out == LeftOut::Prune {
        let pruned = given.pruned(&prospect);
        steps.extend(pruned);
    }
    steps
}

impl<'a> Given<'a> {
    fn server(&self, manifest: &ServerManifest, known: &KnownSecrets) -> Step {
        let row = self.existing.find_server(&manifest.name);
        let is_same =
            row.is_some_and(|row| row.manifest == canonical(&Manifest::Server(Box::new(manifest.clone()))));
        let mut step = Step::new(Kind::Server, &manifest.name, row.map(|row| row.version), is_same);
        step.warnings = known.warnings(manifest, self.containers);
        let leaving = row.filter(|row| row.deleting).map(|row| {
            Problem::new(Code::InUse, format!("server {} is being deleted", row.name))
                .with_hint("apply it again once it is gone")
        });
        let volumes = self.refused_volumes.get(manifest.name.as_str()).cloned();
        step.refused(leaving).refused(volumes).demanding(self.demanded)
    }

    fn secret(&self, manifest: &'a SecretManifest, prospect: &Prospect<'a>) -> Step {
        let row = self.existing.find_secret(&manifest.name);
        let backend = prospect.backend_of(manifest);
        let stays = row.is_some_and(|row| row.backend == backend);
        let is_same = stays && (manifest.data.is_none() || self.same_values.contains(&manifest.name));
        let mut step = Step::new(Kind::Secret, &manifest.name, row.map(|row| row.version), is_same);
        if manifest.data.is_none() && !stays && prospect.type_of_backend(backend) == Some(SEALED) {
            step.warnings.push(format!("secret {} brings no data, so it has no keys", manifest.name));
        }
        step.refused(prospect.refuse_secret(manifest)).demanding(self.demanded)
    }

    fn backend(&self, manifest: &SecretBackendManifest, prospect: &Prospect<'_>) -> Step {
        let row = self.existing.find_backend(&manifest.name);
        let (backend_type, config) = backend_columns(manifest);
        let is_same = manifest.name == SEALED
            || row.is_some_and(|row| row.backend_type == backend_type && row.config == config);
        let version = row.map(|row| row.version).or((manifest.name == SEALED).then_some(0));
        Step::new(Kind::SecretBackend, &manifest.name, version, is_same)
            .refused(prospect.refuse_backend(manifest))
            .demanding(self.demanded)
    }

    /// What an earlier apply made and this list leaves out.
    fn pruned(&self, prospect: &Prospect<'a>) -> Vec<Step> {
        let listed: BTreeSet<_> =
            self.manifests.iter().map(|manifest| (manifest.kind(), manifest.name())).collect();
        let gone: Vec<_> = self
            .existing
            .applied()
            .into_iter()
            .filter(|(kind, name, _)| !listed.contains(&(*kind, *name)))
            .collect();
        let step = |(kind, name, version): &(Kind, &str, i64)| Step {
            action: ApplyAction::Pruned,
            problem: (*kind == Kind::SecretBackend).then(|| self.user_of(name, prospect, &gone)).flatten(),
            ..Step::new(*kind, name, Some(*version), false)
        };
        gone.iter().map(step).collect()
    }

    /// Why a backend can't be pruned: a secret that stays is in it.
    fn user_of(&self, backend: &str, prospect: &Prospect<'a>, gone: &[(Kind, &str, i64)]) -> Option<Problem> {
        let listed = self.manifests.iter().find_map(|manifest| match manifest {
            Manifest::Secret(secret) if prospect.backend_of(secret) == backend => Some(secret.name.as_str()),
            _ => None,
        });
        let is_listed =
            |name: &str| self.manifests.iter().any(|m| m.kind() == Kind::Secret && m.name() == name);
        let stays = |name: &str| !gone.iter().any(|(kind, other, _)| *kind == Kind::Secret && *other == name);
        let kept = self
            .existing
            .secrets
            .iter()
            .find(|row| row.backend == backend && stays(&row.name) && !is_listed(&row.name));
        let user = listed.or(kept.map(|row| row.name.as_str()))?;
        Some(Problem::new(Code::InUse, format!("secret backend {backend} is in use by secret {user}")))
    }
}

impl Step {
    /// A step for an object of which `version` is there.
    fn new(kind: Kind, name: &str, version: Option<i64>, is_same: bool) -> Self {
        let action = match (version, is_same) {
            (None, _) => ApplyAction::Created,
            (Some(_), true) => ApplyAction::Unchanged,
            (Some(_), false) => ApplyAction::Configured,
        };
        let expected = version.map_or(Expected::Absent, Expected::Version);
        Self { kind, name: name.to_owned(), action, expected, warnings: Vec::new(), problem: None }
    }

    fn refused(mut self, problem: Option<Problem>) -> Self {
        self.problem = self.problem.or(problem);
        self
    }

    /// Refused unless what is there is what the client saw.
    fn demanding(self, demanded: Expected) -> Self {
        let object = format!("{} {}", self.kind, self.name);
        let problem = match (demanded, self.expected) {
            (Expected::Absent, Expected::Version(_)) => {
                Some(Problem::new(Code::AlreadyExists, format!("{object} exists already")))
            }
            (Expected::Version(wanted), Expected::Version(found)) if wanted != found => {
                let words = format!("{object} has version {found}, not {wanted}");
                Some(Problem::new(Code::VersionMismatch, words))
            }
            (Expected::Version(_), Expected::Absent) => {
                Some(Problem::new(Code::VersionMismatch, format!("{object} does not exist")))
            }
            _ => None,
        };
        self.refused(problem)
    }

    /// Whether there is anything to write.
    pub(super) fn is_change(&self) -> bool {
        self.action != ApplyAction::Unchanged
    }

    /// What the client is told.
    pub(super) fn item(&self) -> ApplyItem {
        ApplyItem {
            kind: self.kind,
            name: self.name.clone(),
            action: if self.problem.is_some() { ApplyAction::Failed } else { self.action },
            warnings: self.warnings.clone(),
            error: self.problem.clone(),
        }
    }
}

/// The one form in which a manifest is stored, so that equal ones are equal texts.
pub(super) fn canonical(manifest: &Manifest) -> String {
    serde_json::to_value(manifest).unwrap_or_default().to_string()
}

/// Type and configuration of a backend as the store keeps them.
pub(super) fn backend_columns(manifest: &SecretBackendManifest) -> (String, String) {
    let written = serde_json::to_value(&manifest.config).unwrap_or_default();
    let config = written.get("config").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    (manifest.config.type_name().to_owned(), config.to_string())
}
