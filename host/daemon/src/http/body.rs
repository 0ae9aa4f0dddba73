//! Bodies of requests: read within a bound and a deadline, and refused with the place of the mistake.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use mcpd_api::bounds::DOCUMENT_BYTES_MAX;
use mcpd_api::problem::Code;
use mcpd_api::{StrictJsonError, read_json, yaml};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::refusal::{Answer, Refusal};

/// How long a client may take to send a body of [`DOCUMENT_BYTES_MAX`].
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// What is still read of a body that is too large. A client that is cut off while it sends sees a broken
/// connection in place of the answer.
const DRAINED_BYTES_MAX: usize = 32 << 20;

/// The bytes of a body within its bound, and what they are said to be.
pub(crate) struct Document {
    bytes: Bytes,
    media: Media,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Yaml,
}

impl<S: Sync> FromRequest<S> for Document {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Answer<Self> {
        let media = media_of(request.headers())?;
        let read = tokio::time::timeout(BODY_DEADLINE, read(request.into_body())).await;
        let bytes = read.unwrap_or_else(|_| {
            let words = format!("the body did not come within {} s", BODY_DEADLINE.as_secs());
            Err(Refusal::new(Code::Malformed, words))
        })?;
        Ok(Self { bytes, media })
    }
}

impl Document {
    /// The one value it holds; several YAML documents are refused.
    pub(crate) fn value(&self) -> Answer<Value> {
        let mut values = self.values()?;
        match (values.pop(), values.is_empty()) {
            (Some(value), true) => Ok(value),
            (None, _) => Err(Refusal::new(Code::Malformed, "the body is empty")),
            _ => Err(Refusal::new(Code::Malformed, "the body holds several documents, one is expected")),
        }
    }

    /// The manifests it holds: a JSON list of them, one alone, or YAML documents.
    pub(crate) fn manifests(&self) -> Answer<Vec<Value>> {
        let mut values = self.values()?;
        if values.len() == 1 && values[0].is_array() {
            let Value::Array(list) = values.remove(0) else { return Ok(values) };
            return Ok(list);
        }
        Ok(values)
    }

    fn values(&self) -> Answer<Vec<Value>> {
        match self.media {
            Media::Json => self.json().map(|value| vec![value]),
            Media::Yaml => {
                let text = std::str::from_utf8(&self.bytes).map_err(|error| {
                    Refusal::new(Code::Malformed, format!("the body is not UTF-8: {error}"))
                })?;
                let documents = yaml::read(text).map_err(|error| Refusal::of(Code::Malformed, &error))?;
                Ok(documents.into_iter().map(|document| document.value).collect())
            }
        }
    }

    fn json(&self) -> Answer<Value> {
        read_json(&self.bytes).map_err(|error| match error {
            StrictJsonError::TooLarge { .. } => too_large(),
            StrictJsonError::Malformed(_) => Refusal::of(Code::Malformed, &error),
        })
    }

    /// A request of a shape of its own, whose raw parts stay as they are.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Answer<T> {
        serde_json::from_slice(&self.bytes)
            .map_err(|error| Refusal::new(Code::Malformed, format!("the body could not be read: {error}")))
    }
}

/// The body of a request that needs none: nothing, or `{}`. Whatever else comes was meant for another request.
pub(crate) struct NoBody;

impl<S: Sync> FromRequest<S> for NoBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Answer<Self> {
        let document = Document::from_request(request, state).await?;
        if document.bytes.is_empty() || document.value()?.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(Self);
        }
        Err(Refusal::new(Code::Malformed, "this request takes no body, or `{}`"))
    }
}

/// What the body is said to be; JSON where nothing is said, as `curl -d` says what is not so.
fn media_of(headers: &HeaderMap) -> Answer<Media> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Media::Json) };
    let text = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match text.to_ascii_lowercase().as_str() {
        "application/json" | "application/merge-patch+json" | "application/x-www-form-urlencoded" => {
            Ok(Media::Json)
        }
        "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => Ok(Media::Yaml),
        _ => {
            let words = "the body must be application/json or application/yaml";
            Err(Refusal::new(Code::UnsupportedMediaType, words))
        }
    }
}

async fn read(body: Body) -> Answer<Bytes> {
    let mut chunks = body.into_data_stream();
    let mut bytes = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|error| Refusal::new(Code::Malformed, format!("the body broke off: {error}")))?;
        seen = seen.saturating_add(chunk.len());
        if seen <= DOCUMENT_BYTES_MAX {
            bytes.extend_from_slice(&chunk);
        } else if seen > DRAINED_BYTES_MAX {
            break;
        }
    }
    if seen > DOCUMENT_BYTES_MAX { Err(too_large()) } else { Ok(bytes.freeze()) }
}

fn too_large() -> Refusal {
    let words = format!("the body has more than {DOCUMENT_BYTES_MAX} bytes, the most there may be");
    Refusal::new(Code::TooLarge, words)
}
