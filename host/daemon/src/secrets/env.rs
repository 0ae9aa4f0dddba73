//! The backend that reads the environment mcpd was started with; read-only.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use async_trait::async_trait;
use mcpd_core::env::SecretFailure;
use mcpd_core::secret::SecretValue;
use serde::Deserialize;

use super::{SecretBackend, SecretData, read_only, value_of};
use crate::store::{BackendRow, SealedValues};

/// The environment, read once at start by the configuration and handed in.
#[derive(Clone, Default)]
pub struct Environment(Arc<HashMap<OsString, OsString>>);

impl FromIterator<(OsString, OsString)> for Environment {
    fn from_iter<T: IntoIterator<Item = (OsString, OsString)>>(variables: T) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

/// The variable that holds a key of a secret: prefix, then secret and key in upper case with `_` for
/// whatever is no letter or digit. `gitea-creds`, `token` → `MCPD_SECRET_GITEA_CREDS_TOKEN`.
pub fn variable_name(prefix: &str, secret: &str, key: &str) -> String {
    format!("{}{}", secret_prefix(prefix, secret), shouted(key))
}

/// The prefixes of all variables that `env` backends serve; a process of the host never gets one of these
/// (behaviour 3.8). A backend whose configuration can't be read serves nothing.
pub fn withheld_prefixes(backends: &[BackendRow]) -> Vec<String> {
    let of_env = backends.iter().filter(|row| row.backend_type == "env");
    of_env.filter_map(|row| serde_json::from_str(&row.config).ok()).map(|c: EnvConfig| c.prefix).collect()
}

/// `config` of a backend of type `env`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvConfig {
    /// `[A-Za-z_][A-Za-z0-9_]*`; never empty, for it would serve the whole environment.
    #[serde(default = "default_prefix")]
    prefix: String,
}

fn default_prefix() -> String {
    "MCPD_SECRET_".to_owned()
}

/// The environment as a place of secrets.
#[derive(Debug)]
pub(super) struct EnvBackend {
    prefix: String,
    environment: Environment,
}

impl EnvBackend {
    /// # Errors
    /// A sentence about a prefix that is none.
    pub(super) fn new(config: EnvConfig, environment: Environment) -> Result<Self, String> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let starts_well = config.prefix.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        if !starts_well || !config.prefix.bytes().all(is_name) {
            return Err(format!("prefix: {:?} is not [A-Za-z_][A-Za-z0-9_]*", config.prefix));
        }
        Ok(Self { prefix: config.prefix, environment })
    }

    fn names_of<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let names = self.environment.0.keys().filter_map(|name| name.to_str());
        names.filter_map(move |name| name.strip_prefix(prefix)).filter(|key| !key.is_empty())
    }
}

#[async_trait]
impl SecretBackend for EnvBackend {
    async fn read(&self, secret: &str, key: &str) -> Result<SecretValue, SecretFailure> {
        let name = variable_name(&self.prefix, secret, key);
        if let Some(value) = self.environment.0.get(OsStr::new(&name)) {
            return value_of(value.as_bytes().to_vec());
        }
        let prefix = secret_prefix(&self.prefix, secret);
        let has_other_keys = self.names_of(&prefix).next().is_some();
        Err(if has_other_keys { SecretFailure::KeyNotFound } else { SecretFailure::NotFound })
    }

    /// Lower case: what the variables' names leave of the keys.
    async fn keys(&self, secret: &str) -> Result<Vec<String>, SecretFailure> {
        let prefix = secret_prefix(&self.prefix, secret);
        let mut keys: Vec<_> = self.names_of(&prefix).map(str::to_ascii_lowercase).collect();
        keys.sort_unstable();
        if keys.is_empty() { Err(SecretFailure::NotFound) } else { Ok(keys) }
    }

    async fn write(&self, _: &str, _: &SecretData) -> Result<SealedValues, SecretFailure> {
        Err(read_only("the environment"))
    }

    async fn delete(&self, _: &str) -> Result<(), SecretFailure> {
        Err(read_only("the environment"))
    }

    async fn health(&self) -> Result<(), SecretFailure> {
        Ok(())
    }
}

fn secret_prefix(prefix: &str, secret: &str) -> String {
    format!("{prefix}{}_", shouted(secret))
}

fn shouted(text: &str) -> String {
    let shout = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    text.chars().map(shout).collect()
}

#[cfg(test)]
mod tests;
