//! Which types of backend there are, and how a row becomes one.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use thiserror::Error;

use super::env::{EnvBackend, Environment};
use super::file::FileBackend;
use super::sealed::Sealed;
use super::{SealedKey, SecretBackend};
use crate::store::Store;

/// Name and type of the built-in backend; there without a row, and the default where no row is.
pub const SEALED: &str = "sealed";

/// Why a backend can't be made from its type and configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BackendConfigError {
    /// No such type.
    #[error("unknown type {0}: this mcpd knows sealed, env and file")]
    UnknownType(String),
    /// The configuration does not fit the type.
    #[error("config of type {backend_type}: {message}")]
    Invalid {
        /// The type.
        backend_type: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Makes backends; the one place that knows their types.
#[derive(Clone, Debug)]
pub struct Backends {
    sealed: Arc<Sealed>,
    environment: Environment,
}

impl Backends {
    /// What backends are made of: the store and the key for `sealed`, the environment for `env`.
    pub fn new(store: Arc<dyn Store>, key: &SealedKey, environment: Environment) -> Self {
        Self { sealed: Arc::new(Sealed::new(store, key)), environment }
    }

    /// The built-in backend.
    pub fn sealed(&self) -> Arc<dyn SecretBackend> {
        self.sealed.clone()
    }

    /// The backend of that type and configuration (JSON); touches nothing outside.
    pub fn make(
        &self,
        backend_type: &str,
        config: &str,
    ) -> Result<Arc<dyn SecretBackend>, BackendConfigError> {
        let made: Result<Arc<dyn SecretBackend>, String> = match backend_type {
            SEALED => parse(config).map(|NoConfig {}| self.sealed()),
            "env" => parse(config)
                .and_then(|config| EnvBackend::new(config, self.environment.clone()))
                .map(|backend| Arc::new(backend) as Arc<dyn SecretBackend>),
            "file" => parse(config)
                .and_then(FileBackend::new)
                .map(|backend| Arc::new(backend) as Arc<dyn SecretBackend>),
            other => return Err(BackendConfigError::UnknownType(other.to_owned())),
        };
        made.map_err(|message| BackendConfigError::Invalid { backend_type: backend_type.to_owned(), message })
    }
}

/// `config` of the type `sealed`: there is nothing to say.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NoConfig {}

fn parse<T: DeserializeOwned>(config: &str) -> Result<T, String> {
    serde_json::from_str(config).map_err(|error| error.to_string())
}
