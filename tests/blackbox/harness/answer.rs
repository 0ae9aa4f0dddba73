//! Requests to the REST API, and what comes back.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::daemon::Daemon;

/// Far beyond what any answer may take; a test that runs into it fails.
const DEADLINE: Duration = Duration::from_secs(90);

/// An answer with its body as JSON, or as text where it is none.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    async fn of(request: RequestBuilder) -> Self {
        let response = request.timeout(DEADLINE).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        Self { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// Status and code of a problem.
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert_eq!(self.body["status"], self.status, "no problem answer: {}", self.body);
        (self.status, self.body["code"].as_str().unwrap())
    }

    /// The text of it all.
    pub(crate) fn text(&self) -> String {
        self.body.to_string()
    }
}

impl Daemon {
    /// `GET` of a path below `/api/v1`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, &format!("/api/v1{path}"))).await
    }

    /// `POST` of JSON to a path below `/api/v1`.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_text(path, body.to_string()).await
    }

    /// `POST` of whatever is said to be JSON.
    pub(crate) async fn post_text(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, &format!("/api/v1{path}"));
        Answer::of(request.header("content-type", "application/json").body(body)).await
    }

    /// Sends a request that was made by [`Self::request`] or by the test itself.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::of(request).await
    }

    /// A request with the token, to any path.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    /// A request without a token.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }
}
