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
const REQUEST_DEADLINE: Duration = Duration::from_mins(1);

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

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn status_of(routes: Router) -> StatusCode {
        routes.oneshot(Request::new(Body::empty())).await.unwrap().status()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_hangs_is_ended_at_its_deadline() {
        let hanging = Router::new().route("/", get(std::future::pending::<()>)).layer(from_fn(deadline));
        assert_eq!(status_of(hanging).await, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn a_panic_is_answered_without_its_words() {
        async fn panics() -> &'static str {
            panic!("the inside of memory")
        }
        let routes = Router::new().route("/", get(panics)).layer(from_fn(catch_panic));
        let response = routes.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("memory"));
    }
}
