//! What holds for every request: an end, and no panic that a client could see the inside of.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;
use mcpd_api::problem::Code;

use super::refusal::{Answer, Refusal};

/// The longest a request may take that has no deadline of its own: several calls of the store or of a
/// secret backend, each with its own bound of seconds.
const REQUEST_DEADLINE: Duration = Duration::from_secs(60);

/// Ends a request at its deadline.
pub(super) async fn deadline(request: Request, next: Next) -> Answer<Response> {
    tokio::time::timeout(REQUEST_DEADLINE, next.run(request)).await.map_err(|_| {
        let words = format!("no answer within {} s", REQUEST_DEADLINE.as_secs());
        Refusal::new(Code::Unavailable, words)
    })
}

/// Answers for a handler that panicked; what it said goes to the log only.
pub(super) async fn catch_panic(request: Request, next: Next) -> Answer<Response> {
    let path = request.uri().path().to_owned();
    AssertUnwindSafe(next.run(request)).catch_unwind().await.map_err(|panic| {
        tracing::error!(path, panic = words(&*panic), "a request made mcpd panic");
        Refusal::new(Code::Internal, "the request made mcpd panic")
    })
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
