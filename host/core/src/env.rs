//! The environment of a server: all of it resolved, or none (behaviour 3.1 to 3.4).

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::secret::{Redactor, SecretValue};

/// One variable of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvEntry {
    /// Name of the variable.
    pub name: String,
    /// Where its value comes from.
    pub source: EnvSource,
}

/// Where the value of a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvSource {
    /// It stands in the manifest; may be empty.
    Literal(String),
    /// It stands in a secret.
    Secret(SecretRef),
}

/// A key of a secret that a server refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretRef {
    /// Name of the secret.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// Whether the empty string is a value (behaviour 3.4).
    pub allow_empty: bool,
}

/// Why a secret gave no value; told apart because each is mended elsewhere (behaviour 3.3).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SecretFailure {
    /// No secret of that name.
    #[error("secret not found")]
    NotFound,
    /// The secret has no such key.
    #[error("key not found")]
    KeyNotFound,
    /// The value is the empty string, and that is not allowed.
    #[error("value is empty")]
    Empty,
    /// The backend does not answer.
    #[error("backend unreachable: {0}")]
    Unreachable(String),
    /// The backend refuses us: credentials, sealed.
    #[error("backend refused: {0}")]
    Refused(String),
    /// The backend answered what makes no sense.
    #[error("backend answered nonsense: {0}")]
    Nonsense(String),
}

impl SecretFailure {
    /// The word for metrics and conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound => "SecretNotFound",
            Self::KeyNotFound => "KeyNotFound",
            Self::Empty => "ValueEmpty",
            Self::Unreachable(_) => "BackendUnreachable",
            Self::Refused(_) => "BackendRefused",
            Self::Nonsense(_) => "BackendNonsense",
        }
    }
}

/// A failure with the backend that gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupFailure {
    /// Name of the backend.
    pub backend: String,
    /// What went wrong.
    pub failure: SecretFailure,
}

/// A variable without a value, named in full: variable, secret, key and backend, never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingVariable {
    /// Name of the variable.
    pub variable: String,
    /// What it refers to.
    pub reference: SecretRef,
    /// Why there is no value.
    pub cause: LookupFailure,
}

impl fmt::Display for MissingVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, reference: SecretRef { name, key, .. }, cause } = self;
        let LookupFailure { backend, failure } = cause;
        // No variable has a dot in its name; a login at a registry stands there by the field it comes from.
        let subject = if variable.contains('.') { "" } else { "variable " };
        write!(f, "{subject}{variable}: secret {name}, key {key}, backend {backend}: {failure}")
    }
}

/// Every variable that has no value, not only the first (behaviour 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("secret resolution failed: {}", join(.0))]
pub struct EnvError(pub Vec<MissingVariable>);

fn join(missing: &[MissingVariable]) -> String {
    missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A complete environment; it can only be had with a value for every entry.
#[derive(Clone, Debug)]
pub struct Env {
    /// Name and value, in the order of the manifest.
    pub variables: Vec<(String, SecretValue)>,
    /// Masks the values that came from secrets.
    pub redactor: Redactor,
}

/// Puts the environment together: all of it, or every reason why not.
pub fn assemble(
    entries: &[EnvEntry],
    mut look_up: impl FnMut(&SecretRef) -> Result<SecretValue, LookupFailure>,
) -> Result<Env, EnvError> {
    let mut variables = Vec::with_capacity(entries.len());
    let mut secrets = Vec::new();
    let mut missing = Vec::new();
    for entry in entries {
        match &entry.source {
            EnvSource::Literal(value) => {
                variables.push((entry.name.clone(), SecretValue::new(value.clone())));
            }
            EnvSource::Secret(reference) => {
                match look_up(reference).and_then(|value| insist(reference, value)) {
                    Ok(value) => {
                        secrets.push(value.clone());
                        variables.push((entry.name.clone(), value));
                    }
                    Err(cause) => missing.push(MissingVariable {
                        variable: entry.name.clone(),
                        reference: reference.clone(),
                        cause,
                    }),
                }
            }
        }
    }
    if missing.is_empty() {
        Ok(Env { variables, redactor: Redactor::new(&secrets) })
    } else {
        Err(EnvError(missing))
    }
}

/// A second lock on the same door: a lookup that forgot [`refuse_empty`] must not start a server either.
fn insist(reference: &SecretRef, value: SecretValue) -> Result<SecretValue, LookupFailure> {
    refuse_empty(reference, value).map_err(|failure| LookupFailure { backend: UNNAMED.to_owned(), failure })
}

/// Stands for the backend where a lookup did not name it.
const UNNAMED: &str = "(unnamed)";

/// The rule for empty values, in one place (behaviour 3.4).
pub fn refuse_empty(reference: &SecretRef, value: SecretValue) -> Result<SecretValue, SecretFailure> {
    if value.is_empty() && !reference.allow_empty { Err(SecretFailure::Empty) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, key: &str) -> EnvEntry {
        let reference = SecretRef { name: name.into(), key: key.into(), allow_empty: false };
        EnvEntry { name: format!("{name}_{key}").to_uppercase(), source: EnvSource::Secret(reference) }
    }

    fn lookup(reference: &SecretRef) -> Result<SecretValue, LookupFailure> {
        let fail = |failure| LookupFailure { backend: "sealed".into(), failure };
        match (reference.name.as_str(), reference.key.as_str()) {
            ("gitea", "token") => Ok(SecretValue::new("t0ken-value".into())),
            ("gitea", "blank") => refuse_empty(reference, SecretValue::new(String::new())).map_err(fail),
            ("gitea", _) => Err(fail(SecretFailure::KeyNotFound)),
            ("bao", _) => Err(fail(SecretFailure::Unreachable("connection refused".into()))),
            _ => Err(fail(SecretFailure::NotFound)),
        }
    }

    #[test]
    fn rule_3_2_every_failure_is_named_and_nothing_is_given() {
        let entries = [
            EnvEntry { name: "HOST".into(), source: EnvSource::Literal(String::new()) },
            secret("gitea", "token"),
            secret("gitea", "other"),
            secret("gone", "x"),
            secret("bao", "y"),
            secret("gitea", "blank"),
            EnvEntry { name: "imagePullSecret.username".into(), ..secret("hub", "username") },
        ];
        let error = assemble(&entries, lookup).unwrap_err().to_string();
        insta::assert_snapshot!(error.replace("; ", ";\n"), @r"
        secret resolution failed: variable GITEA_OTHER: secret gitea, key other, backend sealed: key not found;
        variable GONE_X: secret gone, key x, backend sealed: secret not found;
        variable BAO_Y: secret bao, key y, backend sealed: backend unreachable: connection refused;
        variable GITEA_BLANK: secret gitea, key blank, backend sealed: value is empty;
        imagePullSecret.username: secret hub, key username, backend sealed: secret not found
        ");
        assert!(!error.contains("t0ken"));
    }

    #[test]
    fn rule_3_4_an_empty_secret_is_a_failure_unless_allowed_and_an_empty_literal_is_not() {
        let allowed = SecretRef { name: "a".into(), key: "b".into(), allow_empty: true };
        assert!(refuse_empty(&allowed, SecretValue::new(String::new())).is_ok());
        let refused = SecretRef { allow_empty: false, ..allowed };
        assert_eq!(refuse_empty(&refused, SecretValue::new(String::new())), Err(SecretFailure::Empty));
        let blank = |_: &SecretRef| Ok(SecretValue::new(String::new()));
        assert!(assemble(&[secret("gitea", "token")], blank).is_err(), "a lookup that forgot the rule");
        let literal = [EnvEntry { name: "A".into(), source: EnvSource::Literal(String::new()) }];
        assert!(assemble(&literal, lookup).is_ok());
    }

    #[test]
    fn a_complete_environment_masks_its_secrets() {
        let env = assemble(&[secret("gitea", "token")], lookup).unwrap();
        assert_eq!(env.variables[0].1.expose(), "t0ken-value");
        assert!(!env.redactor.mask("sent t0ken-value").contains("t0ken"));
        assert!(!format!("{env:?}").contains("t0ken"));
    }
}
