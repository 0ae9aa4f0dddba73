//! `/instances/{id}/checks`: what checks found, and one more now.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use mcpd_api::problem::Code;
use mcpd_api::view::{CheckView, ListView};
use mcpd_core::server::CheckPolicy;
use mcpd_core::time::words as duration;

use super::instances::get;
use crate::http::Api;
use crate::http::api::Shared;
use crate::http::body::NoBody;
use crate::http::query::Name;
use crate::http::refusal::{Answer, Refusal};
use crate::http::views::check_view;
use crate::state::Cell;

/// Checks that may be before the one that is asked for: a scheduled one, and another that was asked for.
const CHECKS_BEFORE_MAX: u32 = 2;

/// `GET /instances/{id}/checks`: newest first.
pub(crate) async fn list(State(api): Shared, Name(id): Name) -> Answer<Json<ListView<CheckView>>> {
    let checks = get(&api, &id)?.checks();
    Ok(Json(checks.iter().map(|check| check_view(check)).collect::<Vec<_>>().into()))
}

/// `POST /instances/{id}/checks`: waits for a check that is under way, then runs one. Of those asked for one
/// waits, and no longer than two checks of the instance may take.
pub(crate) async fn run(State(api): Shared, Name(id): Name, _: NoBody) -> Answer<Json<CheckView>> {
    let cell = get(&api, &id)?;
    let Ok(_place) = cell.checks_asked.try_acquire() else {
        let words = format!("a check of instance {id} that was asked for waits for its turn already");
        return Err(Refusal::new(Code::TooManyRequests, words));
    };
    let timeout = timeout_of(&api, &cell);
    let within = timeout * (CHECKS_BEFORE_MAX + 1);
    let Ok(checked) = tokio::time::timeout(within, api.engine.check_now(&cell)).await else {
        let words = format!("instance {id} was not checked within {}", duration(within));
        return Err(Refusal::new(Code::DeadlineExceeded, words));
    };
    Ok(Json(check_view(&*checked?)))
}

/// How long one check of the instance takes at most.
fn timeout_of(api: &Api, cell: &Cell) -> Duration {
    let server = api.board.find_server(cell.server.as_str());
    let plan = server.and_then(|server| server.desired().check.clone());
    plan.map_or(CheckPolicy::default().timeout, |plan| plan.policy.timeout)
}
