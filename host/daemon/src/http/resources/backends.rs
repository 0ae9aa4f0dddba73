//! `/secretbackends`: where secrets are kept, and whether they can be had from there.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use futures::future::join_all;
use mcpd_api::manifest::Kind;
use mcpd_api::view::{BackendHealth, ListView, SecretBackendView};

use super::{create as create_object, replace, status_of};
use crate::http::Api;
use crate::http::api::Shared;
use crate::http::body::Document;
use crate::http::query::{Name, if_match};
use crate::http::refusal::{Answer, Refusal};
use crate::http::views::{backend_view, builtin_backend_view};
use crate::secrets::SEALED;
use crate::store::{BackendRow, SecretRow};

/// `GET /secretbackends`: the built-in one first.
pub(crate) async fn list(State(api): Shared) -> Answer<Json<ListView<SecretBackendView>>> {
    let (rows, secrets) = (api.store.list_backends().await?, api.store.list_secrets().await?);
    let made = rows.iter().filter(|row| row.name != SEALED).map(|row| view(&api, row, &secrets));
    let mut views = vec![builtin(&api, &secrets).await];
    views.extend(join_all(made).await);
    Ok(Json(views.into()))
}

/// `GET /secretbackends/{name}`
pub(crate) async fn show(State(api): Shared, Name(name): Name) -> Answer<Json<SecretBackendView>> {
    let secrets = api.store.list_secrets().await?;
    if name == SEALED {
        return Ok(Json(builtin(&api, &secrets).await));
    }
    let row = api.store.find_backend(&name).await?.ok_or_else(|| Refusal::no_backend(&name))?;
    Ok(Json(view(&api, &row, &secrets).await))
}

/// `POST /secretbackends`
pub(crate) async fn create(
    State(api): Shared,
    body: Document,
) -> Answer<(StatusCode, Json<SecretBackendView>)> {
    let name = create_object(&api, Kind::SecretBackend, &body).await?;
    Ok((StatusCode::CREATED, show(State(api), Name(name)).await?))
}

/// `PUT /secretbackends/{name}`
pub(crate) async fn put(
    State(api): Shared,
    Name(name): Name,
    headers: HeaderMap,
    body: Document,
) -> Answer<(StatusCode, Json<SecretBackendView>)> {
    let action = replace(&api, Kind::SecretBackend, &name, &headers, &body).await?;
    Ok((status_of(action), show(State(api), Name(name)).await?))
}

/// `DELETE /secretbackends/{name}`: 409 while a secret is in it.
pub(crate) async fn delete(State(api): Shared, Name(name): Name, headers: HeaderMap) -> Answer<StatusCode> {
    api.desk.delete(Kind::SecretBackend, &name, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn view(api: &Api, row: &BackendRow, secrets: &[SecretRow]) -> SecretBackendView {
    backend_view(row, health(api, &row.name).await, used_by(&row.name, secrets))
}

async fn builtin(api: &Api, secrets: &[SecretRow]) -> SecretBackendView {
    builtin_backend_view(SEALED, api.started_at, health(api, SEALED).await, used_by(SEALED, secrets))
}

/// Asked now, bounded by the deadline of backends.
pub(super) async fn health(api: &Api, backend: &str) -> BackendHealth {
    let asked = api.resolver.health(backend).await;
    BackendHealth {
        ok: Some(asked.is_ok()),
        message: asked.err().map(|error| error.failure.to_string()).unwrap_or_default(),
        checked_at: Some(api.clock.now()),
    }
}

fn used_by(backend: &str, secrets: &[SecretRow]) -> Vec<String> {
    secrets.iter().filter(|row| row.backend == backend).map(|row| row.name.clone()).collect()
}
