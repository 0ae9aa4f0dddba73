//! The whole API on one screen.

use std::sync::Arc;

use axum::Router;
use axum::http::Uri;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{self, get, post};
use mcpd_api::problem::Code;

use super::refusal::{Refusal, shown};
use super::resources::backends::Backends;
use super::resources::object::{create, delete, put, show};
use super::resources::secrets::Secrets;
use super::resources::servers::Servers;
use super::resources::{
    apply, backends, calls, checks, daemon, events, exec, instances, logs, secrets, servers, watch,
};
use super::{Api, guard, limits, query};

/// Every path there is, with the layers that each request passes: panic, host, origin, token, deadline.
pub fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .nest("/api/v1", plain().merge(with_parameters()).merge(lasting()).merge(streams()))
        .merge(beside())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(Arc::clone(&api), guard::admit))
        .layer(from_fn(limits::catch_panic))
        .with_state(api)
}

/// No parameters, an answer within the common deadline.
#[rustfmt::skip]
fn plain() -> Router<Arc<Api>> {
    Router::new()
        .route("/servers",                get(servers::list).post(create::<Servers>))
        .route("/servers/{name}",         get(show::<Servers>).put(put::<Servers>).patch(servers::patch))
        .route("/servers/{name}/restart", post(servers::restart))
        .route("/servers/{name}/why",     get(servers::why))
        .route("/servers/{name}/health",  get(servers::health))
        .route("/instances/{id}",         get(instances::show))
        .route("/instances/{id}/checks",  get(checks::list))
        .route("/secrets",                get(secrets::list).post(create::<Secrets>))
        .route("/secrets/{name}",         get(show::<Secrets>).put(put::<Secrets>).delete(delete::<Secrets>))
        .route("/secretbackends",         get(backends::list).post(create::<Backends>))
        .route("/secretbackends/{name}",  get(show::<Backends>).put(put::<Backends>).delete(delete::<Backends>))
        .route("/status",                 get(daemon::status))
        .layer(from_fn(limits::deadline))
        .layer(from_fn(query::refuse_parameters))
}

/// Parameters that the handler names, an answer within the common deadline.
#[rustfmt::skip]
fn with_parameters() -> Router<Arc<Api>> {
    Router::new()
        .route("/servers/{name}",         routing::delete(servers::delete))
        .route("/instances",              get(instances::list))
        .route("/instances/{id}",         routing::delete(instances::delete))
        .route("/apply",                  post(apply::apply))
        .layer(from_fn(limits::deadline))
}

/// No parameters; how long it takes is up to a server, within a deadline of the handler's own.
#[rustfmt::skip]
fn lasting() -> Router<Arc<Api>> {
    Router::new()
        .route("/servers/{name}/mcp",     post(calls::call))
        .route("/servers/{name}/tools",   get(calls::tools))
        .route("/instances/{id}/checks",  post(checks::run))
        .route("/instances/{id}/exec",    post(exec::exec))
        .layer(from_fn(query::refuse_parameters))
}

/// Last as long as the client stays and mcpd runs.
#[rustfmt::skip]
fn streams() -> Router<Arc<Api>> {
    Router::new()
        .route("/instances/{id}/logs",    get(logs::logs))
        .route("/events",                 get(events::events))
        .route("/watch",                  get(watch::watch).route_layer(from_fn(query::refuse_parameters)))
}

/// Beside the API.
#[rustfmt::skip]
fn beside() -> Router<Arc<Api>> {
    Router::new()
        .route("/livez",                  get(daemon::livez))
        .route("/readyz",                 get(daemon::readyz))
        .route("/metrics",                get(daemon::metrics))
        .layer(from_fn(limits::deadline))
}

async fn no_such_path(uri: Uri) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no path {}", shown(uri.path())))
}

async fn no_such_method(method: axum::http::Method, uri: Uri) -> Refusal {
    Refusal::new(
        Code::MethodNotAllowed,
        format!("{} does not take {}", shown(uri.path()), shown(method.as_str())),
    )
}
