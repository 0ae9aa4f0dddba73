//! What is refused although it is well written (behaviour 3.5): each rule looks at the list as a whole.

use std::collections::BTreeSet;

use mcpd_api::FieldError;
use mcpd_api::manifest::{BackendConfig, Manifest, SecretBackendManifest, SecretManifest};
use mcpd_api::problem::{Code, Problem};

use super::Existing;
use crate::secrets::SEALED;

/// What there will be once the list is written.
pub(super) struct Prospect<'a> {
    pub(super) existing: &'a Existing,
    pub(super) manifests: &'a [Manifest],
    pub(super) default_backend: &'a str,
}

impl<'a> Prospect<'a> {
    /// The backend that a secret will be in.
    pub(super) fn backend_of(&self, secret: &'a SecretManifest) -> &'a str {
        secret.backend.as_deref().unwrap_or(self.default_backend)
    }

    /// The type that a backend will have.
    pub(super) fn type_of_backend(&self, name: &str) -> Option<&'a str> {
        let given = self.backends().find(|backend| backend.name == name);
        match given {
            Some(backend) if name != SEALED => Some(backend.config.type_name()),
            _ => self.existing.type_of_backend(name),
        }
    }

    /// Why the secret cannot be written.
    pub(super) fn refuse_secret(&self, secret: &'a SecretManifest) -> Option<Problem> {
        let (name, backend) = (&secret.name, self.backend_of(secret));
        let Some(backend_type) = self.type_of_backend(backend) else {
            let words = format!("secret {name} names secret backend {backend}, which does not exist");
            return Some(Problem::new(Code::UnusableBackend, words));
        };
        (secret.data.is_some() && backend_type != SEALED).then(|| {
            let words = format!(
                "secret {name} brings data, but secret backend {backend} ({backend_type}) is read-only"
            );
            Problem::new(Code::BackendReadOnly, words)
        })
    }

    /// Why the backend cannot be written.
    pub(super) fn refuse_backend(&self, backend: &SecretBackendManifest) -> Option<Problem> {
        let name = &backend.name;
        let unusable = |words: String| Some(Problem::new(Code::UnusableBackend, words));
        if name == SEALED && backend.config != BackendConfig::Sealed {
            return unusable(format!("secret backend {SEALED} is built in and of type {SEALED}"));
        }
        if let Some(way) = self.way_back(backend) {
            return unusable(format!("secret backend {name} needs itself: {way}"));
        }
        if matches!(backend.config, BackendConfig::OpenBao(_)) {
            return unusable(format!("secret backend {name}: this mcpd knows no type openbao yet"));
        }
        None
    }

    /// How the backend needs itself, if it does: the secret with its credentials is kept in it, or in one
    /// that needs it in turn.
    fn way_back(&self, start: &SecretBackendManifest) -> Option<String> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<(&SecretBackendManifest, Vec<String>)> = vec![(start, Vec::new())];
        while let Some((backend, way)) = open.pop() {
            for needed in backend.config.needs() {
                let holder = self.holder_of(&needed.name).unwrap_or(self.default_backend);
                let mut way = way.clone();
                way.push(format!("{} needs secret {} in {holder}", backend.name, needed.name));
                if holder == start.name {
                    return Some(way.join(", "));
                }
                let next = self.backends().find(|backend| backend.name == holder);
                open.extend(next.filter(|next| seen.insert(next.name.as_str())).map(|next| (next, way)));
            }
        }
        None
    }

    fn holder_of(&self, secret: &str) -> Option<&str> {
        let given = self.manifests.iter().find_map(|manifest| match manifest {
            Manifest::Secret(given) if given.name == secret => Some(self.backend_of(given)),
            _ => None,
        });
        given.or_else(|| self.existing.find_secret(secret).map(|row| row.backend.as_str()))
    }

    fn backends(&self) -> impl Iterator<Item = &'a SecretBackendManifest> {
        self.manifests.iter().filter_map(|manifest| match manifest {
            Manifest::SecretBackend(backend) => Some(backend),
            _ => None,
        })
    }
}

/// Probes come with a later version; until then a manifest of one must not look as if it had an effect.
pub(super) fn refuse_probe(name: &str) -> Problem {
    let words = "this version of mcpd has the built-in probes only: liveness and tool-call".to_owned();
    let error = FieldError { path: "kind".to_owned(), message: words };
    Problem::invalid(format!("probe {name} cannot be stored"), vec![error])
}
