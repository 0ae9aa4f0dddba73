//! `/instances/{id}/logs`: what a server wrote to its stderr, and to its stdout beside the protocol.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use mcpd_api::problem::Code;
use serde::Deserialize;

use super::instances::get;
use crate::http::api::Shared;
use crate::http::engine::{LogQuery, LogSpan};
use crate::http::query::{Name, Query};
use crate::http::refusal::{Answer, Refusal};

/// Which lines are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lines {
    /// The last so many only.
    tail: Option<usize>,
    /// Whether to wait for more.
    #[serde(default)]
    follow: bool,
    /// Whether of the attempt before.
    #[serde(default)]
    previous: bool,
}

/// `GET /instances/{id}/logs?tail=&follow=&previous=`: lines of text.
pub(crate) async fn logs(State(api): Shared, Name(id): Name, Query(lines): Query<Lines>) -> Answer<Response> {
    let span = match (lines.follow, lines.previous) {
        (false, false) => LogSpan::Kept,
        (true, false) => LogSpan::Follow,
        (false, true) => LogSpan::Previous,
        (true, true) => {
            let words = "follow and previous exclude each other: nothing is added to an attempt that is over";
            return Err(Refusal::new(Code::InvalidQuery, words));
        }
    };
    let cell = get(&api, &id)?;
    let lines = api.engine.logs(&cell.id, LogQuery { tail: lines.tail, span }).await?;
    let lines = lines.map(|line| Ok::<_, std::convert::Infallible>(line + "\n"));
    let body = Body::from_stream(lines.take_until(api.end.clone().cancelled_owned()));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}
