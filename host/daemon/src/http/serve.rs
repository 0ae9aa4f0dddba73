//! Accepts connections, bounded in number and in patience, until mcpd ends.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Request, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::{Api, routes};

/// Connections at once. Far above what clients of one machine need; past it new ones wait to be accepted.
const CONNECTIONS_MAX: usize = 1024;

/// How long the head of a request may take, and how long a connection may idle before the next one.
const HEAD_DEADLINE: Duration = Duration::from_mins(1);

/// The largest head of a request: tokens and names are short.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How long requests that are under way may take once mcpd ends.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// How long nothing is accepted after an accept failed, which it does when files run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until mcpd ends; then accepts no more, lets requests under way finish within five seconds, and
/// returns.
pub async fn serve(api: Arc<Api>, listener: TcpListener) {
    let end = api.end.clone();
    let routes = routes(api);
    let connections = TaskTracker::new();
    tokio::select! {
        () = end.cancelled() => {}
        () = accept(&listener, &routes, &connections, &end) => {}
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN_DEADLINE, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "requests were under way when mcpd ended");
    }
}

async fn accept(listener: &TcpListener, routes: &Router, connections: &TaskTracker, end: &CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (routes, end) = (routes.clone(), end.clone());
                let stay = Stay { connections: connections.clone(), place: Arc::new(place) };
                connections.spawn(converse(stream, routes, stay, end));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A connection's place among the accepted ones, also when it has become one of another protocol.
#[derive(Clone)]
pub(super) struct Stay {
    connections: TaskTracker,
    place: Arc<OwnedSemaphorePermit>,
}

impl Stay {
    /// Runs what the connection has become; the end of mcpd waits for it as for a request.
    pub(super) fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
        let place = self.place;
        self.connections.spawn(async move {
            task.await;
            drop(place);
        });
    }
}

/// One connection, until it is closed, its client is too slow, or mcpd ends and its last request is
/// answered. A client that goes away drops the request under way.
async fn converse(stream: TcpStream, routes: Router, stay: Stay, end: CancellationToken) {
    // Answers are written as a whole; to wait for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service_fn(move |request| answer(&routes, &stay, request)))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the API broke");
    }
}

/// One answer of the routes. Only a request that wants to upgrade has to know its connection.
fn answer(
    routes: &Router,
    stay: &Stay,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> + use<> {
    if request.headers().contains_key(header::UPGRADE) {
        request.extensions_mut().insert(stay.clone());
    }
    routes.clone().oneshot(request)
}
