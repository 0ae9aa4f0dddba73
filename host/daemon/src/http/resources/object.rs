//! What servers, secrets and secret backends have in common: how one is shown, made, replaced and removed.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use mcpd_api::manifest::{self, Context, Kind, Manifest};
use mcpd_api::problem::{Code, Problem};
use mcpd_api::view::{ApplyAction, ApplyItem};
use serde::Serialize;

use crate::apply::{ApplyError, Request, invalid};
use crate::http::Api;
use crate::http::api::Shared;
use crate::http::body::Document;
use crate::http::query::{Name, if_match};
use crate::http::refusal::Answer;
use crate::store::Expected;

/// Something that a manifest makes.
pub(crate) trait Object {
    /// The kind of its manifests.
    const KIND: Kind;
    /// What is shown of it.
    type View: Serialize;

    /// The object of that name.
    fn view(api: &Api, name: &str) -> impl Future<Output = Answer<Self::View>> + Send;
}

/// `GET /<kind>s/{name}`
pub(crate) async fn show<O: Object>(State(api): Shared, Name(name): Name) -> Answer<Json<O::View>> {
    Ok(Json(O::view(&api, &name).await?))
}

/// `POST /<kind>s`: makes what the manifest says.
pub(crate) async fn create<O: Object>(
    State(api): Shared,
    body: Document,
) -> Answer<(StatusCode, Json<O::View>)> {
    let manifest = read_manifest(&body, &Context::of_kind(O::KIND))?;
    let item = write(&api, Request::Put(Box::new(manifest), Expected::Absent)).await?;
    Ok((StatusCode::CREATED, Json(O::view(&api, &item.name).await?)))
}

/// `PUT /<kind>s/{name}`: makes or replaces it; 201 for what was made, 200 for what was there.
pub(crate) async fn put<O: Object>(
    State(api): Shared,
    Name(name): Name,
    headers: HeaderMap,
    body: Document,
) -> Answer<(StatusCode, Json<O::View>)> {
    let manifest = read_manifest(&body, &Context::named(O::KIND, &name))?;
    let item = write(&api, Request::Put(Box::new(manifest), if_match(&headers)?)).await?;
    let status = if item.action == ApplyAction::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(O::view(&api, &name).await?)))
}

/// `DELETE /<kind>s/{name}` of what goes at once. A secret backend stays while a secret is in it (409); servers that
/// use a secret keep what they were started with, and fail to start anew.
pub(crate) async fn delete<O: Object>(
    State(api): Shared,
    Name(name): Name,
    headers: HeaderMap,
) -> Answer<StatusCode> {
    api.desk.delete(O::KIND, &name, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes one object; what is wrong with it is what is wrong with the request.
pub(super) async fn write(api: &Api, request: Request) -> Answer<ApplyItem> {
    let outcome = api.desk.carry_out(request).await?;
    match (outcome.problem, outcome.answer.items.into_iter().next()) {
        (None, Some(item)) => Ok(item),
        (problem, _) => Err(ApplyError::from(problem.unwrap_or_else(nothing)).into()),
    }
}

fn read_manifest(body: &Document, context: &Context) -> Answer<Manifest> {
    let read = manifest::parse(&body.value()?, context);
    read.map_err(|mistakes| invalid(context, mistakes).into())
}

/// One manifest gives one item; this stands for what cannot be.
fn nothing() -> Problem {
    Problem::new(Code::Internal, "the change of one object was planned as none")
}
