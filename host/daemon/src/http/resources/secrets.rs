//! `/secrets`: names, keys and fingerprints; values come in and are never given back.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use futures::future::join_all;
use mcpd_api::manifest::Kind;
use mcpd_api::view::{ListView, SecretView};

use super::object::Object;
use crate::http::Api;
use crate::http::api::Shared;
use crate::http::refusal::{Answer, Refusal};
use crate::http::views::secret_view;
use crate::store::SecretRow;

/// `GET /secrets`
pub(crate) async fn list(State(api): Shared) -> Answer<Json<ListView<SecretView>>> {
    let rows = api.store.list_secrets().await?;
    let views = join_all(rows.iter().map(|row| view(&api, row))).await;
    Ok(Json(views.into()))
}

/// The secrets.
pub(crate) struct Secrets;

impl Object for Secrets {
    const KIND: Kind = Kind::Secret;
    type View = SecretView;

    async fn view(api: &Api, name: &str) -> Answer<SecretView> {
        let row = api.store.find_secret(name).await?.ok_or_else(|| Refusal::no_secret(name))?;
        Ok(view(api, &row).await)
    }
}

/// A backend that does not answer leaves the keys that were written through mcpd, without fingerprints.
async fn view(api: &Api, row: &SecretRow) -> SecretView {
    let keys = api.resolver.fingerprints(row).await;
    let written = || row.keys.iter().map(|key| (key.clone(), None)).collect::<BTreeMap<_, _>>();
    secret_view(row, keys.unwrap_or_else(|_| written()), used_by(api, &row.name))
}

fn used_by(api: &Api, secret: &str) -> Vec<String> {
    let servers = api.board.servers();
    let uses = servers.iter().filter(|server| server.desired().secret_refs().any(|used| used.name == secret));
    uses.map(|server| server.name.to_string()).collect()
}
