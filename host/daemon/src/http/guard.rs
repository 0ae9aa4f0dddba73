//! Who may ask: the token, and the names this daemon goes by (against DNS rebinding).

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use mcpd_api::problem::Code;
use sha2::{Digest, Sha256};

use super::api::Api;
use super::refusal::{Answer, Refusal, shown};

/// The port that `Host` leaves out.
const HTTP_PORT: u16 = 80;

/// The bearer token, as a digest: it is compared in constant time and can't be printed.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token that requests have to bring.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether this is it. What can be learnt from the time this takes is about digests only, and tells
    /// nothing of the token.
    fn is(&self, text: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(text).into();
        self.0.iter().zip(given).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// The values of `Host` that are accepted, each with its port.
///
/// A page that rebinds its name to this address sends its own name, which is not among them.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Loopback names and the address itself, with the port; and what is configured, with the port it
    /// names, with this one, or with none.
    pub fn new(address: SocketAddr, configured: &[String]) -> Self {
        let port = address.port();
        let mut names: Vec<_> =
            ["localhost", "127.0.0.1", "[::1]"].map(|name| format!("{name}:{port}")).into();
        names.push(address.to_string());
        for name in configured.iter().map(|name| name.to_ascii_lowercase()) {
            names.push(format!("{name}:{port}"));
            names.push(name);
        }
        if port == HTTP_PORT {
            let bare: Vec<_> =
                names.iter().filter_map(|name| name.strip_suffix(":80")).map(str::to_owned).collect();
            names.extend(bare);
        }
        Self(names)
    }

    fn knows(&self, host: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(host))
    }

    /// Whether a page of this origin may ask: one that came from this very daemon, or through a proxy
    /// that speaks TLS for a configured name.
    fn knows_origin(&self, origin: &str) -> bool {
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| self.knows(host))
    }
}

/// Lets a request through that is meant for this daemon, comes from no foreign page, and brings the token
/// where one is needed.
pub(super) async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Answer<Response> {
    check_host(&api.access.hosts, &request)?;
    check_origin(&api.access.hosts, request.headers())?;
    if !is_open(request.uri().path(), api.access.open_metrics) {
        check_token(&api.access.token, request.headers())?;
    }
    Ok(next.run(request).await)
}

/// What answers without a token. Everything else needs one, also a path that does not exist.
fn is_open(path: &str, open_metrics: bool) -> bool {
    matches!(path, "/livez" | "/readyz") || (open_metrics && path == "/metrics")
}

fn check_host(hosts: &Hosts, request: &Request) -> Answer<()> {
    let header = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let mut named = header.into_iter().chain(target).peekable();
    if named.peek().is_none() {
        return Err(Refusal::new(Code::WrongHost, "the request names no host"));
    }
    match named.find(|host| !hosts.knows(host)) {
        None => Ok(()),
        Some(host) => Err(Refusal::new(Code::WrongHost, format!("this is not {}", shown(host)))),
    }
}

fn check_origin(hosts: &Hosts, headers: &HeaderMap) -> Answer<()> {
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("not a text");
        if !hosts.knows_origin(origin) {
            let words = format!("pages of the origin {} may not ask this daemon", shown(origin));
            return Err(Refusal::new(Code::Forbidden, words));
        }
    }
    Ok(())
}

fn check_token(token: &Token, headers: &HeaderMap) -> Answer<()> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(Refusal::new(Code::Unauthorized, "the request brings no token"));
    };
    let (scheme, given) = value.as_bytes().split_at_checked("bearer ".len()).unwrap_or_default();
    if scheme.eq_ignore_ascii_case(b"bearer ") && token.is(given.trim_ascii()) {
        return Ok(());
    }
    Err(Refusal::new(Code::Unauthorized, "the token of the request is not the one of this daemon"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(port: u16) -> Hosts {
        Hosts::new(([127, 0, 0, 1], port).into(), &["mcpd.example.com".to_owned()])
    }

    #[test]
    fn loopback_names_with_the_port_and_configured_names_are_known() {
        for host in ["localhost:3100", "LOCALHOST:3100", "127.0.0.1:3100", "[::1]:3100", "mcpd.example.com"] {
            assert!(hosts(3100).knows(host), "{host}");
        }
        for host in ["localhost", "localhost:80", "evil.example.com:3100", "localhost.evil.com:3100", ""] {
            assert!(!hosts(3100).knows(host), "{host}");
        }
        assert!(hosts(80).knows("localhost"));
    }

    #[test]
    fn only_pages_of_this_daemon_are_let_in() {
        assert!(hosts(3100).knows_origin("http://localhost:3100"));
        assert!(hosts(3100).knows_origin("https://mcpd.example.com"));
        for origin in ["null", "http://evil.example.com", "http://localhost:9999", "file://", ""] {
            assert!(!hosts(3100).knows_origin(origin), "{origin}");
        }
    }

    #[test]
    fn a_token_is_known_and_never_shown() {
        let token = Token::new("s3cret-token");
        assert!(token.is(b"s3cret-token"));
        assert!(!token.is(b"s3cret-tokem") && !token.is(b""));
        assert_eq!(format!("{token:?}"), "Token(redacted)");
    }
}
