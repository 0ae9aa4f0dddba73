//! How the store fails, told apart as far as callers act on it.

use std::fmt;

use thiserror::Error;

/// An object of desired state, named for people: `server gitea`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A server.
    Server(String),
    /// A secret.
    Secret(String),
    /// A secret backend.
    Backend(String),
}

impl Object {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Server(name) | Self::Secret(name) | Self::Backend(name) => name,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(name) => write!(f, "server {name}"),
            Self::Secret(name) => write!(f, "secret {name}"),
            Self::Backend(name) => write!(f, "secret backend {name}"),
        }
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It was to be created, and is there (409).
    #[error("{0} exists already")]
    AlreadyExists(Object),
    /// It was to be changed, and is not there (404).
    #[error("{0} does not exist")]
    NotFound(Object),
    /// Somebody else changed it in between (412).
    #[error("{object} has version {found}, not {expected}")]
    Conflict {
        /// What was to be changed.
        object: Object,
        /// The version the writer had seen.
        expected: i64,
        /// The version it has.
        found: i64,
    },
    /// It is on its way out and can't be written until it is gone (409).
    #[error("{0} is being deleted")]
    Deleting(Object),
    /// It was to be forgotten, but nobody asked for its deletion.
    #[error("{0} is not being deleted")]
    NotDeleting(Object),
    /// Something refers to it (409).
    #[error("{object} is in use by {by}")]
    InUse {
        /// What was to be removed.
        object: Object,
        /// What refers to it.
        by: Object,
    },
    /// No answer in time; whether a write was made is unknown (503).
    #[error("{doing}: no answer from the store within {seconds} s")]
    Deadline {
        /// What was being done.
        doing: String,
        /// The bound.
        seconds: u64,
    },
    /// The database failed (503).
    #[error("{doing}: the store failed")]
    Failed {
        /// What was being done.
        doing: String,
        /// What the database said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row holds what this program never wrote (500).
    #[error("{doing}: the store holds a {what} that makes no sense: {value}")]
    Corrupt {
        /// What was being done.
        doing: String,
        /// The column.
        what: &'static str,
        /// What stands there.
        value: String,
    },
}
