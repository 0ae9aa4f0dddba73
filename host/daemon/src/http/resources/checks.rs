//! `/instances/{id}/checks`: what checks found, and one more now.

use axum::Json;
use axum::extract::State;
use mcpd_api::view::{CheckView, ListView};

use super::instances::get;
use crate::http::api::Shared;
use crate::http::body::NoBody;
use crate::http::query::Name;
use crate::http::refusal::Answer;
use crate::http::views::check_view;

/// `GET /instances/{id}/checks`: newest first.
pub(crate) async fn list(State(api): Shared, Name(id): Name) -> Answer<Json<ListView<CheckView>>> {
    let checks = get(&api, &id)?.checks();
    Ok(Json(checks.iter().map(|check| check_view(check)).collect::<Vec<_>>().into()))
}

/// `POST /instances/{id}/checks`: waits for a check that is under way, then runs one. Bounded by the
/// timeout of the server's check, for each of the two.
pub(crate) async fn run(State(api): Shared, Name(id): Name, _: NoBody) -> Answer<Json<CheckView>> {
    let record = api.engine.check_now(&get(&api, &id)?).await?;
    Ok(Json(check_view(&record)))
}
