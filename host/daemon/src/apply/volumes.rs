//! The servers of a list that ask for what no container is given.

use std::collections::BTreeMap;

use mcpd_api::FieldError;
use mcpd_api::manifest::Manifest;
use mcpd_api::problem::Problem;

use crate::withheld::{Withheld, refusals};

/// Why servers cannot have their volumes, by name.
pub(super) async fn refuse_volumes(
    manifests: &[Manifest],
    withheld: &[Withheld],
) -> BTreeMap<String, Problem> {
    let mut refused = BTreeMap::new();
    for manifest in manifests {
        let Manifest::Server(server) = manifest else { continue };
        let error = |(index, message)| FieldError { path: format!("volumes[{index}].source"), message };
        let errors: Vec<_> = refusals(&server.volumes, withheld).await.into_iter().map(error).collect();
        if !errors.is_empty() {
            let words = format!("server {} asks for what no container is given", server.name);
            refused.insert(server.name.clone(), Problem::invalid(words, errors));
        }
    }
    refused
}
