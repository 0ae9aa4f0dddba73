//! `/servers`: what is wanted of each, and what became of it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use mcpd_api::manifest::Kind;
use mcpd_api::view::{ForgottenView, HealthView, ListView, ServerView, WhyView};
use mcpd_core::name::InstanceId;
use serde::Deserialize;

use super::object::{Object, write};
use crate::apply::{Existing, KnownSecrets, Request};
use crate::http::Api;
use crate::http::api::Shared;
use crate::http::body::{Document, NoBody};
use crate::http::query::{Name, Query, if_match};
use crate::http::refusal::{Answer, Refusal};
use crate::http::views::{Replicas, health_view, server_view, why_view};
use crate::state::ServerCell;

/// `GET /servers`
pub(crate) async fn list(State(api): Shared) -> Answer<Json<ListView<ServerView>>> {
    let known = known_secrets(&api).await?;
    let views = api.board.servers().iter().map(|server| view(&api, server, &known)).collect::<Vec<_>>();
    Ok(Json(views.into()))
}

/// The servers.
pub(crate) struct Servers;

impl Object for Servers {
    const KIND: Kind = Kind::Server;
    type View = ServerView;

    async fn view(api: &Api, name: &str) -> Answer<ServerView> {
        let server = get(api, name)?;
        Ok(view(api, &server, &known_secrets(api).await?))
    }
}

/// `PATCH /servers/{name}`: a JSON merge patch of the manifest.
pub(crate) async fn patch(
    State(api): Shared,
    Name(name): Name,
    headers: HeaderMap,
    body: Document,
) -> Answer<Json<ServerView>> {
    get(&api, &name)?;
    write(&api, Request::Patch(name.as_str().into(), body.value()?, if_match(&headers)?)).await?;
    Ok(Json(Servers::view(&api, &name).await?))
}

/// How something that runs is deleted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deletion {
    /// Whether it is forgotten without a proof that it is gone.
    #[serde(default)]
    pub(super) force: bool,
}

/// `DELETE /servers/{name}?force=`: 202, for its instances are stopped before it is gone. By force it is gone at
/// once: 200, and what may be left of it.
pub(crate) async fn delete(
    State(api): Shared,
    Name(name): Name,
    Query(deletion): Query<Deletion>,
    headers: HeaderMap,
) -> Answer<Response> {
    let server = api.board.find_server(&name);
    api.desk.delete(Kind::Server, &name, if_match(&headers)?).await?;
    match server.filter(|_| deletion.force) {
        None => Ok(StatusCode::ACCEPTED.into_response()),
        Some(server) => Ok(forgotten(&api.engine.forget_server(&server).await?)),
    }
}

/// The answer to a deletion by force.
pub(super) fn forgotten(left: &[InstanceId]) -> Response {
    Json(ForgottenView { left: left.iter().map(ToString::to_string).collect() }).into_response()
}

/// `POST /servers/{name}/restart`: 202, for instances are replaced one by one.
pub(crate) async fn restart(State(api): Shared, Name(name): Name, _: NoBody) -> Answer<StatusCode> {
    let server = get(&api, &name)?;
    api.desk.restart(&server.name).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `GET /servers/{name}/why`
pub(crate) async fn why(State(api): Shared, Name(name): Name) -> Answer<Json<WhyView>> {
    let server = get(&api, &name)?;
    Ok(Json(why_view(&Replicas::of(&api.board, &server), api.clock.now())))
}

/// `GET /servers/{name}/health`: 503 where no replica is Ready, with the same body.
pub(crate) async fn health(State(api): Shared, Name(name): Name) -> Answer<(StatusCode, Json<HealthView>)> {
    let server = get(&api, &name)?;
    let view = health_view(&Replicas::of(&api.board, &server), api.clock.now());
    let status = if view.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(view)))
}

/// The server of that name.
pub(crate) fn get(api: &Api, name: &str) -> Answer<Arc<ServerCell>> {
    api.board.find_server(name).ok_or_else(|| Refusal::no_server(name))
}

/// The secrets there are, for the warnings.
pub(crate) async fn known_secrets(api: &Api) -> Answer<KnownSecrets> {
    Ok(KnownSecrets::of(&Existing::read(&*api.store).await?))
}

/// The server as it is shown.
pub(crate) fn view(api: &Api, server: &ServerCell, known: &KnownSecrets) -> ServerView {
    let replicas = Replicas::of(&api.board, server);
    let warnings = known.warnings(&replicas.desired.manifest, &api.engine.containers());
    server_view(&replicas, warnings)
}
