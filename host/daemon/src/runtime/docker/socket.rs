//! Requests over the engine's socket: one connection for each, and taken over as a whole where streams are
//! wanted.
//!
//! The client library opens its streams by the same requests. What it then makes of them does not do here: it holds
//! each frame as a whole however long it says it is, and takes the output of a terminal for frames where that
//! happens to begin with a control character.

use std::path::Path;

use bollard::errors::Error;
use bollard::{BollardRequest, body_full};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, UPGRADE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::endpoint::Docker;

/// The words of a refusal are a sentence or two.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// Holds the login at a registry.
const REGISTRY_AUTH: HeaderName = HeaderName::from_static("x-registry-auth");

/// A connection that the engine handed over, as it is.
pub(super) struct Hijacked {
    /// What comes from the engine.
    pub(super) read: OwnedReadHalf,
    /// What goes to it; dropping it says that nothing more comes.
    pub(super) write: OwnedWriteHalf,
    /// What came before the connection was handed over; read before `read`.
    pub(super) early: Bytes,
}

/// Sends a request over a connection of its own, and gives the answer as it begins.
pub(super) async fn send(path: &Path, request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let stream = UnixStream::connect(path).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with its one request, which whoever sent it holds"
    )]
    tokio::spawn(connection.with_upgrades());
    Ok(sender.send_request(adapted(request)?).await?)
}

/// Posts a request after which the connection belongs to the streams of a container or command.
pub(super) async fn hijack(docker: &Docker, path: &str, body: String) -> Result<Hijacked, Error> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "tcp")
        .header(CONTENT_TYPE, "application/json")
        .body(body_full(body.into()))?;
    let response = send(docker.endpoint().path(), request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(response).await);
    }
    let upgraded = hyper::upgrade::on(response).await?;
    let parts = upgraded.downcast::<TokioIo<UnixStream>>().map_err(|_| unexpected("another connection"))?;
    let (read, write) = parts.io.into_inner().into_split();
    Ok(Hijacked { read, write, early: parts.read_buf })
}

/// The request as it goes over a socket.
fn adapted(request: BollardRequest) -> Result<BollardRequest, Error> {
    let (mut head, body) = request.into_parts();
    head.uri = unversioned(&head.uri)?;
    head.headers.insert(HOST, HeaderValue::from_static("localhost"));
    if let Some(login) = head.headers.get_mut(REGISTRY_AUTH) {
        *login = in_url_alphabet(login);
    }
    Ok(Request::from_parts(head, body))
}

/// A path without a version asks for the newest API that the engine has. One version for all engines does not
/// exist: the oldest that new ones take is newer than the newest of old ones.
fn unversioned(uri: &Uri) -> Result<Uri, Error> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let (version, rest) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    let is_version =
        version.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    Ok(if is_version { format!("/{rest}").parse()? } else { path.parse()? })
}

/// The library encodes a login in plain base64; engines read it in the alphabet for URLs, and take what they cannot
/// read for no login at all.
fn in_url_alphabet(login: &HeaderValue) -> HeaderValue {
    let letter = |&byte: &u8| match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    };
    let bytes: Vec<u8> = login.as_bytes().iter().map(letter).collect();
    let mut value = HeaderValue::from_bytes(&bytes).unwrap_or_else(|_| login.clone());
    value.set_sensitive(true);
    value
}

async fn refusal(response: Response<Incoming>) -> Error {
    let status_code = response.status().as_u16();
    let body = Limited::new(response.into_body(), REFUSAL_BYTES_MAX).collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let json: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let message = json.as_ref().and_then(|json| json["message"].as_str()).map(str::to_owned);
    let message = message.unwrap_or_else(|| String::from_utf8_lossy(&body).trim().to_owned());
    Error::DockerResponseServerError { status_code, message }
}

fn unexpected(what: &str) -> Error {
    Error::IOError { err: std::io::Error::other(format!("the engine handed over {what}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> BollardRequest {
        let login = "e+/=";
        Request::builder().uri(uri).header(REGISTRY_AUTH, login).body(body_full(Bytes::new())).unwrap()
    }

    #[test]
    fn a_request_asks_for_the_newest_api_that_the_engine_has() {
        let path = |uri: &str| adapted(request(uri)).unwrap().uri().to_string();
        assert_eq!(path("http://localhost/v1.53/images/a/json?x=1"), "/images/a/json?x=1");
        assert_eq!(path("http://localhost/_ping"), "/_ping");
        assert_eq!(path("http://localhost/volumes/v1"), "/volumes/v1");
    }

    #[test]
    fn a_login_is_written_in_the_alphabet_that_engines_read_and_is_marked() {
        let request = adapted(request("/")).unwrap();
        assert_eq!(request.headers()[REGISTRY_AUTH], "e-_=");
        assert!(request.headers()[REGISTRY_AUTH].is_sensitive());
        assert_eq!(request.headers()[HOST], "localhost");
    }
}
