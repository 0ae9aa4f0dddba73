//! Names in paths, parameters of queries and conditions in headers: read strictly, refused in words.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use mcpd_api::problem::Code;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::refusal::{Answer, Refusal, shown};
use crate::store::Expected;

/// The one name in a path.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let path = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let not_text = |_| Refusal::new(Code::Malformed, "the name in the path is not UTF-8");
        path.map(|path| Self(path.0)).map_err(not_text)
    }
}

/// The parameters of a query; those that are not known are refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Answer<Self> {
        check_text(parts.uri.query().unwrap_or_default())?;
        let read = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        read.map(|query| Self(query.0)).map_err(|error| refuse_query(&error))
    }
}

/// The parser would put replacement characters in the place of what is no text.
fn check_text(query: &str) -> Answer<()> {
    match percent_decode_str(query).decode_utf8() {
        Ok(_) => Ok(()),
        Err(_) => Err(Refusal::new(Code::InvalidQuery, "the query is not UTF-8")),
    }
}

fn refuse_query(error: &QueryRejection) -> Refusal {
    let words = error.body_text();
    let words = words.strip_prefix("Failed to deserialize query string: ").unwrap_or(&words);
    Refusal::new(Code::InvalidQuery, words)
}

/// Refuses parameters on paths that take none.
pub(super) async fn refuse_parameters(request: Request, next: Next) -> Answer<Response> {
    match request.uri().query().filter(|query| !query.is_empty()) {
        None => Ok(next.run(request).await),
        Some(query) => {
            let name = query.split(['=', '&']).next().unwrap_or_default();
            let words = format!("unknown parameter `{}`, this path takes none", shown(name));
            Err(Refusal::new(Code::InvalidQuery, words))
        }
    }
}

/// What `If-Match` names: a version, as it stands in a view, with or without quotes.
pub(crate) fn if_match(headers: &HeaderMap) -> Answer<Expected> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(Expected::Any) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Expected::Any);
    }
    text.trim_matches('"').parse().map(Expected::Version).map_err(|_| {
        Refusal::new(Code::Malformed, format!("If-Match must be the version of a view, not {}", shown(text)))
    })
}
