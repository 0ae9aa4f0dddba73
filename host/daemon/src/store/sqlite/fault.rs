//! What goes wrong inside the adapter, before the call adds the words of what it was doing.

use crate::store::StoreError;

/// A failure without its context.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database failed.
    Sql(sqlx::Error),
    /// A column holds what this program never wrote.
    Corrupt { what: &'static str, value: String },
    /// A rule of the port was broken.
    Rule(StoreError),
}

impl Fault {
    pub(super) fn into_error(self, doing: String) -> StoreError {
        match self {
            Self::Sql(source) => StoreError::Failed { doing, source: source.into() },
            Self::Corrupt { what, value } => StoreError::Corrupt { doing, what, value },
            Self::Rule(error) => error,
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Rule(error)
    }
}
