//! A whole API without a network, a disk or a process.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use jiff::Timestamp;
use mcpd_core::instance::Instance;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::fake::Fake;
use crate::apply::{Desk, Parts};
use crate::clock::Clock;
use crate::http::{Access, Api, Hosts, Token, routes};
use crate::secrets::{Backends, Environment, Resolver, SealedKey};
use crate::state::Cell;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::withheld::Withheld;

pub(super) const TOKEN: &str = "the-token-of-this-test";
pub(super) const HOST: &str = "localhost:3100";

pub(super) struct Fixture {
    pub(super) api: Arc<Api>,
    pub(super) engine: Arc<Fake>,
    pub(super) store: Arc<dyn Store>,
    routes: Router,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// Status, code, detail and every mistake, as a snapshot shows them.
    pub(super) fn words(&self) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        let mut lines = vec![format!(
            "{} {}: {}",
            self.status.as_u16(),
            text(&problem["code"]),
            text(&problem["detail"])
        )];
        let errors = problem["errors"].as_array().into_iter().flatten();
        lines.extend(errors.map(|error| format!("  {}: {}", text(&error["path"]), text(&error["message"]))));
        lines.join("\n")
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self::over(Arc::new(MemoryStore::default()))
    }

    pub(super) fn over(store: Arc<dyn Store>) -> Self {
        let engine = Arc::new(Fake::default());
        let key = SealedKey::random().unwrap();
        let backends = Backends::new(Arc::clone(&store), &key, Environment::default());
        let resolver = Arc::new(Resolver::new(Arc::clone(&store), backends, &key, "sealed".to_owned()));
        let clock = Clock::seeded(Timestamp::UNIX_EPOCH, 1);
        let desk = Desk::new(Parts {
            store: Arc::clone(&store),
            engine: engine.clone(),
            board: Arc::clone(&engine.board),
            resolver: Arc::clone(&resolver),
            default_backend: "sealed".to_owned(),
            withheld: Arc::new([Withheld {
                path: "/var/lib/mcpd".into(),
                what: "the data folder of mcpd",
                harm: "read every secret",
            }]),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            turn: tokio::sync::Mutex::default(),
        });
        let api = Arc::new(Api {
            board: Arc::clone(&engine.board),
            store: Arc::clone(&store),
            desk,
            resolver,
            engine: engine.clone(),
            clock,
            access: Access {
                token: Token::new(TOKEN),
                hosts: Hosts::new(([127, 0, 0, 1], 3100).into(), &[]),
                open_metrics: false,
            },
            started_at: Timestamp::UNIX_EPOCH,
            end: CancellationToken::new(),
        });
        Self { routes: routes(Arc::clone(&api)), api, engine, store }
    }

    /// Sends a request as it is.
    pub(super) async fn send(&self, request: Request<Body>) -> axum::response::Response {
        self.routes.clone().oneshot(request).await.unwrap()
    }

    /// A request with a good host and token; the body is JSON.
    pub(super) fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
        Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header(header::HOST, HOST)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .unwrap()
    }

    pub(super) async fn ask(&self, method: &str, path: &str, body: impl Into<Body>) -> Reply {
        self.reply(Self::request(method, path, body)).await
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, "").await
    }

    pub(super) async fn reply(&self, request: Request<Body>) -> Reply {
        let response = self.send(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Reply { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// Applies a text of YAML.
    pub(super) async fn apply(&self, parameters: &str, yaml: &str) -> Reply {
        let mut request = Self::request("POST", &format!("/api/v1/apply{parameters}"), yaml.to_owned());
        request.headers_mut().insert(header::CONTENT_TYPE, "application/yaml".parse().unwrap());
        self.reply(request).await
    }

    /// Puts an instance on the board.
    pub(super) fn put(&self, instance: Instance) -> Arc<Cell> {
        let cell = Cell::new(instance, Timestamp::UNIX_EPOCH);
        self.engine.board.put_instance(&cell);
        cell
    }

    /// Everything the store holds, to be compared.
    pub(super) async fn everything(&self) -> String {
        let servers = self.store.list_servers().await.unwrap();
        let secrets = self.store.list_secrets().await.unwrap();
        format!("{servers:?} {secrets:?} {:?}", self.store.list_backends().await.unwrap())
    }
}
