//! What the store holds before a change.

use mcpd_api::manifest::Kind;

use crate::secrets::SEALED;
use crate::store::{BackendRow, SecretRow, ServerRow, Store, StoreError};

/// All desired state, read at one moment.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    /// All servers, those being deleted too.
    pub servers: Vec<ServerRow>,
    /// All secrets.
    pub secrets: Vec<SecretRow>,
    /// All backends that a manifest made.
    pub backends: Vec<BackendRow>,
}

impl Existing {
    /// Reads it.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self {
            servers: store.list_servers().await?,
            secrets: store.list_secrets().await?,
            backends: store.list_backends().await?,
        })
    }

    /// The server of that name.
    pub fn find_server(&self, name: &str) -> Option<&ServerRow> {
        self.servers.iter().find(|row| row.name.as_str() == name)
    }

    /// The secret of that name.
    pub fn find_secret(&self, name: &str) -> Option<&SecretRow> {
        self.secrets.iter().find(|row| row.name == name)
    }

    /// The backend of that name, if a manifest made it.
    pub fn find_backend(&self, name: &str) -> Option<&BackendRow> {
        self.backends.iter().find(|row| row.name == name)
    }

    /// The type of a backend; the built-in one is there without a row.
    pub fn type_of_backend(&self, name: &str) -> Option<&str> {
        if name == SEALED {
            return Some(SEALED);
        }
        self.find_backend(name).map(|row| row.backend_type.as_str())
    }

    /// What an earlier apply made: kind and name, dependents first, as they have to go.
    pub(super) fn applied(&self) -> Vec<(Kind, &str, i64)> {
        let servers = self.servers.iter().filter(|row| row.applied && !row.deleting);
        let secrets = self.secrets.iter().filter(|row| row.applied);
        let backends = self.backends.iter().filter(|row| row.applied);
        servers
            .map(|row| (Kind::Server, row.name.as_str(), row.version))
            .chain(secrets.map(|row| (Kind::Secret, row.name.as_str(), row.version)))
            .chain(backends.map(|row| (Kind::SecretBackend, row.name.as_str(), row.version)))
            .collect()
    }
}
