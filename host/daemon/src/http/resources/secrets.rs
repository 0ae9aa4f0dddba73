//! `/secrets`: names, keys and fingerprints; values come in and are never given back.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use futures::future::join_all;
use mcpd_api::manifest::Kind;
use mcpd_api::view::{ListView, SecretView};

use super::{create as create_object, replace, status_of};
use crate::http::Api;
use crate::http::api::Shared;
use crate::http::body::Document;
use crate::http::query::{Name, if_match};
use crate::http::refusal::{Answer, Refusal};
use crate::http::views::secret_view;
use crate::store::SecretRow;

/// `GET /secrets`
pub(crate) async fn list(State(api): Shared) -> Answer<Json<ListView<SecretView>>> {
    let rows = api.store.list_secrets().await?;
    let views = join_all(rows.iter().map(|row| view(&api, row))).await;
    Ok(Json(views.into()))
}

/// `GET /secrets/{name}`
pub(crate) async fn show(State(api): Shared, Name(name): Name) -> Answer<Json<SecretView>> {
    let row = api.store.find_secret(&name).await?.ok_or_else(|| Refusal::no_secret(&name))?;
    Ok(Json(view(&api, &row).await))
}

/// `POST /secrets`
pub(crate) async fn create(State(api): Shared, body: Document) -> Answer<(StatusCode, Json<SecretView>)> {
    let name = create_object(&api, Kind::Secret, &body).await?;
    Ok((StatusCode::CREATED, show(State(api), Name(name)).await?))
}

/// `PUT /secrets/{name}`
pub(crate) async fn put(
    State(api): Shared,
    Name(name): Name,
    headers: HeaderMap,
    body: Document,
) -> Answer<(StatusCode, Json<SecretView>)> {
    let action = replace(&api, Kind::Secret, &name, &headers, &body).await?;
    Ok((status_of(action), show(State(api), Name(name)).await?))
}

/// `DELETE /secrets/{name}`: servers that use it keep what they were started with, and fail to start anew.
pub(crate) async fn delete(State(api): Shared, Name(name): Name, headers: HeaderMap) -> Answer<StatusCode> {
    api.desk.delete(Kind::Secret, &name, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
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
