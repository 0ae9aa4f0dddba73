//! What an apply did.

use serde::{Deserialize, Serialize};

use crate::manifest::Kind;
use crate::problem::Problem;

/// The answer of `POST /apply`, always 200: what could not be written is an item that says why. Wrong
/// manifests are a problem answer (422) and no such list, because nothing is written then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyAnswer {
    /// One per manifest in the order given, then one per pruned object.
    pub items: Vec<ApplyItem>,
    /// Whether nothing was written.
    pub dry_run: bool,
}

/// What an apply did with one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApplyItem {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What was done.
    pub action: ApplyAction,
    /// What its owner should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// What was done, or would be in a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplyAction {
    /// It was not there before.
    Created,
    /// It was changed.
    Configured,
    /// It was as wanted already.
    Unchanged,
    /// It was removed, because an earlier apply made it and this one leaves it out.
    Pruned,
    /// It could not be written.
    Failed,
}

impl ApplyAction {
    /// The word of the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Pruned => "pruned",
            Self::Failed => "failed",
        }
    }
}
