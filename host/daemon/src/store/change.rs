//! The ways in which desired state changes; [`Store::write`](super::Store::write) makes them.

use mcpd_core::name::ServerName;

use super::{Object, SealedValue, StoreError};

/// One change of desired state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Creates or replaces a server. One that is being deleted can't be put until it is gone.
    PutServer(ServerDraft, Expected),
    /// Marks a server as being deleted; the driver forgets it when its instances are gone.
    DeleteServer(ServerName, Expected),
    /// Counts the restart nonce of a server up; its version stays, because its manifest does.
    RestartServer(ServerName),
    /// Creates or replaces a secret.
    PutSecret(SecretDraft, Expected),
    /// Removes a secret and its sealed values.
    DeleteSecret(String, Expected),
    /// Creates or replaces a secret backend.
    PutBackend(BackendDraft, Expected),
    /// Removes a secret backend; one that a secret names can't be removed.
    DeleteBackend(String, Expected),
}

impl Change {
    /// What it changes.
    pub fn object(&self) -> Object {
        match self {
            Self::PutServer(draft, _) => Object::Server(draft.name.to_string()),
            Self::DeleteServer(name, _) | Self::RestartServer(name) => Object::Server(name.to_string()),
            Self::PutSecret(draft, _) => Object::Secret(draft.name.clone()),
            Self::DeleteSecret(name, _) => Object::Secret(name.clone()),
            Self::PutBackend(draft, _) => Object::Backend(draft.name.clone()),
            Self::DeleteBackend(name, _) => Object::Backend(name.clone()),
        }
    }
}

/// What the writer saw before it decided to write; the store refuses when it is not so any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there (but a delete needs something to delete).
    Any,
    /// Nothing of that name: a create.
    Absent,
    /// This version: `If-Match`.
    Version(i64),
}

impl Expected {
    /// Whether a put may go on, given the version that is there.
    pub(super) fn check_put(self, object: Object, found: Option<i64>) -> Result<(), StoreError> {
        match (self, found) {
            (Self::Absent, Some(_)) => Err(StoreError::AlreadyExists(object)),
            (Self::Version(_), None) => Err(StoreError::NotFound(object)),
            (Self::Version(expected), Some(found)) if expected != found => {
                Err(StoreError::Conflict { object, expected, found })
            }
            (Self::Any | Self::Version(_), _) | (Self::Absent, None) => Ok(()),
        }
    }

    /// Whether a delete may go on: like a put, but there must be something.
    pub(super) fn check_delete(self, object: Object, found: Option<i64>) -> Result<(), StoreError> {
        match found {
            None => Err(StoreError::NotFound(object)),
            Some(_) => self.check_put(object, found),
        }
    }
}

/// A server to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerDraft {
    /// Its name.
    pub name: ServerName,
    /// The manifest as canonical JSON.
    pub manifest: String,
    /// Whether an apply writes it; stays true once it was.
    pub applied: bool,
}

/// A secret to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretDraft {
    /// Its name.
    pub name: String,
    /// Name of the backend that holds the values.
    pub backend: String,
    /// The keys written through mcpd.
    pub keys: Vec<String>,
    /// What becomes of its sealed values.
    pub values: SealedValues,
    /// Whether an apply writes it; stays true once it was.
    pub applied: bool,
}

/// What a put does to the sealed values of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedValues {
    /// They stay: the manifest had no `data`, and the backend is still `sealed`. With another backend they
    /// are to be replaced with none, or they would come back some day.
    Keep,
    /// These take the place of all that were there; none where another backend holds the values.
    Replace(Vec<SealedValue>),
}

/// A secret backend to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendDraft {
    /// Its name.
    pub name: String,
    /// `sealed`, `env`, `file`, `openbao`.
    pub backend_type: String,
    /// Its configuration as canonical JSON.
    pub config: String,
    /// Whether it becomes the default in place of the one that was.
    pub is_default: bool,
    /// Whether an apply writes it; stays true once it was.
    pub applied: bool,
}
