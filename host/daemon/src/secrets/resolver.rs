//! From references to values: a server gets its whole environment, or every reason why not.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::future::join_all;
use mcpd_core::env::{Env, EnvEntry, EnvError, EnvSource, LookupFailure, SecretFailure, SecretRef};
use mcpd_core::env::{assemble, refuse_empty};
use mcpd_core::secret::SecretValue;
use mcpd_core::time::words;

use super::fingerprint::Fingerprinter;
use super::{BACKEND_DEADLINE, Backends, SEALED, SealedKey, SecretBackend, SecretData};
use crate::store::{SealedValues, SecretRow, Store, StoreError};

/// Finds the backend of each secret and asks it; keeps no value beyond the call.
#[derive(Debug)]
pub struct Resolver {
    store: Arc<dyn Store>,
    backends: Backends,
    fingerprinter: Fingerprinter,
    default_backend: String,
}

/// A complete environment.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Every variable with its value, and the redactor of those that are secret.
    pub env: Env,
    /// What `Revision.secrets` is for an instance started with it.
    pub fingerprint: String,
}

type Lookup = Result<SecretValue, LookupFailure>;

impl Resolver {
    /// A resolver over the secrets of this store. A secret that does not exist is missed in the configured
    /// `default_backend`, where it would have been made.
    pub fn new(store: Arc<dyn Store>, backends: Backends, key: &SealedKey, default_backend: String) -> Self {
        Self { store, backends, fingerprinter: Fingerprinter(key.for_fingerprints()), default_backend }
    }

    /// The whole environment of a server (behaviour 3.2). All secrets are asked for at once; each answers
    /// within [`BACKEND_DEADLINE`].
    pub async fn resolve(&self, entries: &[EnvEntry]) -> Result<Resolved, EnvError> {
        let values = self.look_up_all(references(entries)).await;
        let env = assemble(entries, |reference| found(&values, reference))?;
        // With an environment that is complete, every value is known.
        let fingerprint = self.fingerprint_of(&values).unwrap_or_default();
        Ok(Resolved { env, fingerprint })
    }

    /// What `Revision.secrets` would be for an instance started now; `None` when a value in use can't be
    /// known (behaviour 3.7).
    pub async fn fingerprint(&self, entries: &[EnvEntry]) -> Option<String> {
        self.fingerprint_of(&self.look_up_all(references(entries)).await)
    }

    /// The fingerprint of each key of a secret, as people see it: 12 hexadecimal characters. A key whose
    /// value can't be read has none.
    pub async fn fingerprints(
        &self,
        row: &SecretRow,
    ) -> Result<BTreeMap<String, Option<String>>, LookupFailure> {
        let backend = self.backend(&row.backend).await?;
        let keys = timed(&row.backend, backend.keys(&row.name)).await?;
        let shown = keys.into_iter().map(async |key| {
            let value = timed(&row.backend, backend.read(&row.name, &key)).await.ok();
            let shown = value.map(|value| self.fingerprinter.shown(&row.name, &key, &value));
            (key, shown)
        });
        Ok(join_all(shown).await.into_iter().collect())
    }

    /// Hands the values of a secret to its backend; what comes back goes into the [`SecretDraft`] of its
    /// row.
    ///
    /// [`SecretDraft`]: crate::store::SecretDraft
    pub async fn write(
        &self,
        backend: &str,
        secret: &str,
        data: &SecretData,
    ) -> Result<SealedValues, LookupFailure> {
        timed(backend, self.backend(backend).await?.write(secret, data)).await
    }

    /// Removes the values of a secret from its backend, before its row goes.
    pub async fn delete(&self, row: &SecretRow) -> Result<(), LookupFailure> {
        timed(&row.backend, self.backend(&row.backend).await?.delete(&row.name)).await
    }

    /// Whether a backend could be read now.
    pub async fn health(&self, backend: &str) -> Result<(), LookupFailure> {
        timed(backend, self.backend(backend).await?.health()).await
    }

    async fn look_up_all(&self, references: BTreeSet<SecretRef>) -> HashMap<SecretRef, Lookup> {
        let lookups = references.into_iter().map(async |reference| {
            let outcome = self.look_up(&reference).await;
            (reference, outcome)
        });
        join_all(lookups).await.into_iter().collect()
    }

    async fn look_up(&self, reference: &SecretRef) -> Lookup {
        let row = self.store.find_secret(&reference.name).await.map_err(|error| stored(SEALED, &error))?;
        let Some(row) = row else {
            let backend = self.default_backend.clone();
            return Err(LookupFailure { backend, failure: SecretFailure::NotFound });
        };
        let backend = self.backend(&row.backend).await?;
        let value = timed(&row.backend, backend.read(&row.name, &reference.key)).await?;
        refuse_empty(reference, value).map_err(|failure| LookupFailure { backend: row.backend, failure })
    }

    async fn backend(&self, name: &str) -> Result<Arc<dyn SecretBackend>, LookupFailure> {
        if name == SEALED {
            return Ok(self.backends.sealed());
        }
        let unreachable = |words: String| LookupFailure {
            backend: name.to_owned(),
            failure: SecretFailure::Unreachable(words),
        };
        let row = self.store.find_backend(name).await.map_err(|error| stored(name, &error))?;
        let row = row.ok_or_else(|| unreachable("no secret backend of that name".to_owned()))?;
        self.backends.make(&row.backend_type, &row.config).map_err(|error| unreachable(error.to_string()))
    }

    fn fingerprint_of(&self, values: &HashMap<SecretRef, Lookup>) -> Option<String> {
        let known = values.iter().map(|(reference, value)| Some((reference.clone(), value.clone().ok()?)));
        Some(self.fingerprinter.of_all(&known.collect::<Option<Vec<_>>>()?))
    }
}

fn references(entries: &[EnvEntry]) -> BTreeSet<SecretRef> {
    let reference = |entry: &EnvEntry| match &entry.source {
        EnvSource::Secret(reference) => Some(reference.clone()),
        EnvSource::Literal(_) => None,
    };
    entries.iter().filter_map(reference).collect()
}

/// Every reference was looked up before; one that was not has no value.
fn found(values: &HashMap<SecretRef, Lookup>, reference: &SecretRef) -> Lookup {
    let absent = || LookupFailure { backend: SEALED.to_owned(), failure: SecretFailure::NotFound };
    values.get(reference).cloned().unwrap_or_else(|| Err(absent()))
}

async fn timed<T>(
    backend: &str,
    call: impl Future<Output = Result<T, SecretFailure>>,
) -> Result<T, LookupFailure> {
    let outcome = tokio::time::timeout(BACKEND_DEADLINE, call).await.unwrap_or_else(|_| {
        Err(SecretFailure::Unreachable(format!("no answer within {}", words(BACKEND_DEADLINE))))
    });
    outcome.map_err(|failure| LookupFailure { backend: backend.to_owned(), failure })
}

fn stored(backend: &str, error: &StoreError) -> LookupFailure {
    LookupFailure { backend: backend.to_owned(), failure: SecretFailure::Unreachable(error.to_string()) }
}

#[cfg(test)]
mod tests;
