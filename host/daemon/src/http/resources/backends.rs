//! `/secretbackends`: where secrets are kept, and whether they can be had from there.

use axum::Json;
use axum::extract::State;
use futures::future::join_all;
use mcpd_api::manifest::Kind;
use mcpd_api::view::{BackendHealth, ListView, SecretBackendView};

use super::object::Object;
use crate::http::Api;
use crate::http::api::Shared;
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

/// The secret backends.
pub(crate) struct Backends;

impl Object for Backends {
    const KIND: Kind = Kind::SecretBackend;
    type View = SecretBackendView;

    async fn view(api: &Api, name: &str) -> Answer<SecretBackendView> {
        let secrets = api.store.list_secrets().await?;
        if name == SEALED {
            return Ok(builtin(api, &secrets).await);
        }
        let row = api.store.find_backend(name).await?.ok_or_else(|| Refusal::no_backend(name))?;
        Ok(view(api, &row, &secrets).await)
    }
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
