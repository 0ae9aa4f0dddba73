//! Who is let in: the right host, no foreign page, the token.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::fixture::{Fixture, HOST, TOKEN};

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::builder().uri(path);
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn the_wrong_host_a_foreign_page_and_a_missing_token_are_refused() {
    let fixture = Fixture::new();
    let bearer = format!("Bearer {TOKEN}");
    let good: [(&str, &str); 2] = [("host", HOST), ("authorization", &bearer)];
    let cases: [(&str, Vec<(&str, &str)>); 9] = [
        ("no host", vec![("authorization", &bearer)]),
        ("another host", vec![("host", "evil.example.com"), ("authorization", &bearer)]),
        ("another port", vec![("host", "localhost:80"), ("authorization", &bearer)]),
        ("a foreign page", [&good[..], &[("origin", "http://evil.example.com")]].concat()),
        ("an opaque page", [&good[..], &[("origin", "null")]].concat()),
        ("no token", vec![("host", HOST)]),
        ("a wrong token", vec![("host", HOST), ("authorization", "Bearer nonsense")]),
        ("half a token", vec![("host", HOST), ("authorization", "Bearer the-token")]),
        ("another scheme", vec![("host", HOST), ("authorization", "Basic dGhlOnRva2Vu")]),
    ];
    let mut words = Vec::new();
    for (case, headers) in &cases {
        words.push(format!("{case} → {}", fixture.reply(request("/api/v1/servers", headers)).await.words()));
    }
    insta::assert_snapshot!(words.join("\n"), @r"
    no host → 421 wrong_host: the request names no host
    another host → 421 wrong_host: this is not evil.example.com
    another port → 421 wrong_host: this is not localhost:80
    a foreign page → 403 forbidden: pages of the origin http://evil.example.com may not ask this daemon
    an opaque page → 403 forbidden: pages of the origin null may not ask this daemon
    no token → 401 unauthorized: the request brings no token
    a wrong token → 401 unauthorized: the token of the request is not the one of this daemon
    half a token → 401 unauthorized: the token of the request is not the one of this daemon
    another scheme → 401 unauthorized: the token of the request is not the one of this daemon
    ");
    assert_eq!(fixture.reply(request("/api/v1/servers", &good)).await.status, StatusCode::OK);
    let own_page = [&good[..], &[("origin", "http://localhost:3100")]].concat();
    assert_eq!(fixture.reply(request("/api/v1/servers", &own_page)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_lacks_the_token_is_told_how_to_bring_it_and_not_what_exists() {
    let fixture = Fixture::new();
    for path in ["/api/v1/servers", "/api/v1/nothing", "/nothing", "/metrics", "/mcp/demo"] {
        let reply = fixture.reply(request(path, &[("host", HOST)])).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(reply.headers["www-authenticate"], r#"Bearer realm="mcpd""#);
    }
}

#[tokio::test]
async fn whether_it_lives_and_is_ready_is_told_to_everybody() {
    let fixture = Fixture::new();
    for path in ["/livez", "/readyz"] {
        assert_eq!(fixture.reply(request(path, &[("host", HOST)])).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(fixture.get("/metrics").await.text, "mcpd_owned_things 0\n");
}
