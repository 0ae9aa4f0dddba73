//! What a deletion by force may leave behind.

use serde::{Deserialize, Serialize};

/// `DELETE /servers/{name}?force=true` and the same of an instance: it is forgotten without a proof that it is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForgottenView {
    /// Ids of the instances of which something may be left; it is removed as soon as their engine answers.
    pub left: Vec<String>,
}
