//! Server-sent events: one JSON text each, until the client goes away or mcpd ends.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt as _};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// How often a silent stream says that it is alive, so that neither side takes the other for gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The answer that sends each item of a stream as it comes.
pub(super) fn answer<T>(items: impl Stream<Item = T> + Send + 'static, end: CancellationToken) -> Response
where
    T: Serialize + Send + 'static,
{
    let events = items.map(|item| {
        let text = serde_json::to_string(&item).unwrap_or_default();
        Ok::<_, Infallible>(Event::default().data(text))
    });
    let events = events.take_until(end.cancelled_owned());
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}
