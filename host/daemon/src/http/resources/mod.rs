//! What the API is about, one file each.

pub(super) mod apply;
pub(super) mod backends;
pub(super) mod calls;
pub(super) mod checks;
pub(super) mod daemon;
pub(super) mod events;
pub(super) mod exec;
pub(super) mod instances;
pub(super) mod logs;
pub(super) mod secrets;
pub(super) mod servers;
pub(super) mod watch;

use axum::http::HeaderMap;
use mcpd_api::manifest::{self, Context, Kind, Manifest};
use mcpd_api::problem::Problem;
use mcpd_api::view::{ApplyAction, ApplyItem};

use super::Api;
use super::body::Document;
use super::query::if_match;
use super::refusal::Answer;
use crate::apply::{ApplyError, Request, invalid};
use crate::store::Expected;

/// Reads the manifest of a body.
fn read_manifest(body: &Document, context: &Context) -> Answer<Manifest> {
    let read = manifest::parse(&body.value()?, context);
    read.map_err(|mistakes| invalid(context, mistakes).into())
}

/// `POST`: makes what the manifest says; gives its name.
async fn create(api: &Api, kind: Kind, body: &Document) -> Answer<String> {
    let manifest = read_manifest(body, &Context::of_kind(kind))?;
    let item = write(api, Request::Put(Box::new(manifest), Expected::Absent)).await?;
    Ok(item.name)
}

/// `PUT`: makes or replaces it; gives what was done.
async fn replace(
    api: &Api,
    kind: Kind,
    name: &str,
    headers: &HeaderMap,
    body: &Document,
) -> Answer<ApplyAction> {
    let manifest = read_manifest(body, &Context::named(kind, name))?;
    let item = write(api, Request::Put(Box::new(manifest), if_match(headers)?)).await?;
    Ok(item.action)
}

/// Writes one object; what is wrong with it is what is wrong with the request.
async fn write(api: &Api, request: Request) -> Answer<ApplyItem> {
    let outcome = api.desk.carry_out(request).await?;
    match (outcome.problem, outcome.answer.items.into_iter().next()) {
        (None, Some(item)) => Ok(item),
        (problem, _) => Err(ApplyError::from(problem.unwrap_or_else(nothing)).into()),
    }
}

/// One manifest gives one item; this stands for what cannot be.
fn nothing() -> Problem {
    Problem::new(mcpd_api::problem::Code::Internal, "the change of one object was planned as none")
}

/// 201 for what was made, 200 for what was there.
fn status_of(action: ApplyAction) -> axum::http::StatusCode {
    match action {
        ApplyAction::Created => axum::http::StatusCode::CREATED,
        _ => axum::http::StatusCode::OK,
    }
}
