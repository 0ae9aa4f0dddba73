//! The daemon itself: `/status`, `/livez`, `/readyz`, `/metrics`.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use futures::future::join_all;
use mcpd_api::view::{PartState, PartView, StatusView};

use super::backends::health;
use crate::http::Api;
use crate::http::api::Shared;
use crate::http::views::{Replicas, instance_counts, server_counts};
use crate::metrics;
use crate::secrets::SEALED;

/// `GET /status`: one page of the whole.
pub(crate) async fn status(State(api): Shared) -> Json<StatusView> {
    let servers = api.board.servers();
    let servers: Vec<_> = servers.iter().map(|server| Replicas::of(&api.board, server)).collect();
    Json(StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: api.started_at,
        servers: server_counts(&servers),
        instances: instance_counts(&servers),
        parts: parts(&api).await,
    })
}

/// `GET /livez`: the process runs.
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 503 only when the store does not answer; the rest is told in the body.
pub(crate) async fn readyz(State(api): Shared) -> impl IntoResponse {
    let parts = parts(&api).await;
    let store = parts.first().map(|store| store.state);
    let status = if store == Some(PartState::Ok) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(serde_json::json!({ "parts": parts })))
}

/// `GET /metrics`
pub(crate) async fn metrics(State(api): Shared) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], api.engine.metrics().await)
}

/// The store first, then what the engine depends on, then the secret backends.
async fn parts(api: &Api) -> Vec<PartView> {
    let ping = api.store.ping().await;
    let mut parts = vec![part("store".to_owned(), ping.err().map(|error| error.to_string()))];
    parts.extend(api.engine.parts().await);
    let rows = api.store.list_backends().await.unwrap_or_default();
    let names =
        std::iter::once(SEALED).chain(rows.iter().map(|row| row.name.as_str()).filter(|n| *n != SEALED));
    let backends = names.map(async |name| {
        let health = health(api, name).await;
        part(format!("secret backend {name}"), (health.ok != Some(true)).then_some(health.message))
    });
    parts.extend(join_all(backends).await);
    parts
}

fn part(name: String, trouble: Option<String>) -> PartView {
    let state = if trouble.is_some() { PartState::Failing } else { PartState::Ok };
    PartView { name, state, message: trouble.unwrap_or_default(), since: None, hint: None }
}
