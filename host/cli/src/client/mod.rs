//! Requests to the daemon: one deadline each, bounded answers, problems told from successes.

mod answer;
mod stream;

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Upgraded, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::endpoint::Endpoint;
use crate::trouble::{Done, Trouble};
use answer::{body_of, problem_of};
pub(crate) use stream::{Follow, Lines};

/// To open a connection; a daemon that takes longer is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a request that only reads or writes the daemon's store.
pub(crate) const QUICK: Duration = Duration::from_secs(30);
/// For the steps before a connection is taken over: each of those of mcpd has a deadline of its own.
const UPGRADE_DEADLINE: Duration = Duration::from_mins(1);
/// The words for a deadline that passed.
const NO_ANSWER: &str = "no answer in time";
/// To notice on a silent stream that the daemon's machine is gone.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A daemon to talk to.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub(crate) fn new(endpoint: &Endpoint) -> Done<Self> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_keepalive(KEEPALIVE)
            .default_headers(headers(endpoint)?)
            .user_agent(concat!("mcpctl/", env!("CARGO_PKG_VERSION")))
            // A daemon never redirects; whoever does is not to be given the token.
            .redirect(redirect::Policy::none());
        if endpoint.url.starts_with("http://") {
            // No proxy between us and a daemon without TLS, which is one of this machine or network, and no
            // time spent on certificates.
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let http =
            builder.build().map_err(|error| Trouble::BadAnswer(format!("setting up HTTP: {error}")))?;
        Ok(Self { http, base: endpoint.url.clone() })
    }

    /// Where it talks to.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Reads something below `/api/v1`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Done<T> {
        let request = self.request(Method::GET, path).query(query);
        self.read(request, QUICK).await
    }

    /// Sends a JSON body and reads the answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + ?Sized),
        deadline: Duration,
    ) -> Done<T> {
        let request = self.request(Method::POST, path).json(body);
        self.read(request, deadline).await
    }

    /// Deletes something below `/api/v1` and reads what became of it.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Done<T> {
        self.read(self.request(Method::DELETE, path).query(query), QUICK).await
    }

    /// Sends no body and does not care for the words of success.
    pub(crate) async fn send(&self, method: Method, path: &str) -> Done {
        self.answer(self.request(method, path).timeout(QUICK)).await.map(drop)
    }

    /// Follows an answer that does not end by itself.
    pub(crate) async fn follow(&self, path: &str, query: &[(&str, &str)]) -> Done<Lines> {
        let response = self.answer(self.request(Method::GET, path).query(query)).await?;
        Ok(Lines::new(response, self.base.clone()))
    }

    /// Makes the connection of a request one of another protocol.
    pub(crate) async fn upgrade(
        &self,
        path: &str,
        protocol: &str,
        body: &(impl Serialize + ?Sized),
    ) -> Done<Upgraded> {
        let request = self.request(Method::POST, path).json(body);
        let request = request.header(CONNECTION, "Upgrade").header(UPGRADE, protocol);
        let unheard = |_| Trouble::Unreachable { url: self.base.clone(), cause: NO_ANSWER.to_owned() };
        let response = timeout(UPGRADE_DEADLINE, request.send()).await.map_err(unheard)?;
        let response = response.map_err(|error| unreachable(&self.base, &error))?;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => {
                response.upgrade().await.map_err(|error| unreachable(&self.base, &error))
            }
            status if status.is_success() => {
                Err(Trouble::BadAnswer(format!("{} answered {status} and did not upgrade", self.base)))
            }
            _ => Err(problem_of(response, &self.base).await),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/api/v1{path}", self.base))
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder, deadline: Duration) -> Done<T> {
        let response = self.answer(request.timeout(deadline)).await?;
        let body = body_of(response, &self.base).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Trouble::BadAnswer(format!("{} answered what is not understood: {error}", self.base))
        })
    }

    async fn answer(&self, request: RequestBuilder) -> Done<Response> {
        let response = request.send().await.map_err(|error| unreachable(&self.base, &error))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(problem_of(response, &self.base).await)
        }
    }
}

/// A segment of a path: whatever it holds, it stays one segment.
pub(crate) fn segment(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn headers(endpoint: &Endpoint) -> Done<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*"));
    if let Some(token) = &endpoint.token {
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Trouble::Usage("the token holds characters that no token has".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// The innermost words say most: `Connection refused`.
pub(super) fn unreachable(url: &str, error: &reqwest::Error) -> Trouble {
    let innermost = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string);
    let cause = if error.is_timeout() { NO_ANSWER.to_owned() } else { innermost };
    Trouble::Unreachable { url: url.to_owned(), cause }
}
