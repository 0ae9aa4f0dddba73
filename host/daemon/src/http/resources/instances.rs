//! `/instances`: what was observed of each replica.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use mcpd_api::problem::Code;
use mcpd_api::view::{InstanceView, ListView};
use serde::Deserialize;

use super::servers::{Deletion, forgotten};
use crate::http::Api;
use crate::http::api::Shared;
use crate::http::query::{Name, Query};
use crate::http::refusal::{Answer, Refusal};
use crate::http::views::{instance_view, server_id};
use crate::state::Cell;

/// Which instances are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Those of this server only; of one that does not exist there are none.
    server: Option<String>,
}

/// `GET /instances?server=`
pub(crate) async fn list(State(api): Shared, Query(filter): Query<Filter>) -> Json<ListView<InstanceView>> {
    let cells = match &filter.server {
        Some(server) => api.board.instances_of(server),
        None => api.board.instances(),
    };
    let mut views: Vec<_> = cells.iter().map(|cell| view(&api, cell)).collect();
    views.sort_by(|a, b| (&a.server, a.created_at, &a.id).cmp(&(&b.server, b.created_at, &b.id)));
    Json(views.into())
}

/// `GET /instances/{id}`
pub(crate) async fn show(State(api): Shared, Name(id): Name) -> Answer<Json<InstanceView>> {
    Ok(Json(view(&api, &*get(&api, &id)?)))
}

/// `DELETE /instances/{id}?force=`: 202 once it is written down, for it is stopped first; the next pass replaces it.
/// By force it is gone at once: 200, and what may be left of it.
pub(crate) async fn delete(
    State(api): Shared,
    Name(id): Name,
    Query(deletion): Query<Deletion>,
) -> Answer<Response> {
    let cell = get(&api, &id)?;
    if deletion.force {
        return Ok(forgotten(&api.engine.forget_instance(&cell).await?));
    }
    if api.engine.delete_instance(&cell).await {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    let detail = format!(
        "the store does not answer: that instance {id} is to go is not written down yet, and a crash would forget it"
    );
    Err(Refusal::new(Code::Unavailable, detail))
}

/// The instance of that id.
pub(crate) fn get(api: &Api, id: &str) -> Answer<Arc<Cell>> {
    api.board.find_instance(id).ok_or_else(|| Refusal::no_instance(id))
}

/// The instance as it is shown.
pub(crate) fn view(api: &Api, cell: &Cell) -> InstanceView {
    let server = api.board.find_server(cell.server.as_str());
    let id = server.map(|server| server_id(cell.server.as_str(), server.desired().created_at));
    instance_view(cell, id.unwrap_or_default())
}
