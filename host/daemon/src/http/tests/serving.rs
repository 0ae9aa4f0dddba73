//! Over a real socket of this host: what only a connection shows.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::fixture::{Fixture, HOST, TOKEN};
use crate::http::serve;

pub(super) async fn served(fixture: &Fixture) -> (TcpStream, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
    let serving = tokio::spawn(serve(Arc::clone(&fixture.api), listener));
    (TcpStream::connect(address).await.unwrap(), serving)
}

pub(super) fn head(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {TOKEN}\r\n{more}\r\n")
}

#[tokio::test]
async fn a_client_that_sends_ten_megabytes_reads_the_refusal() {
    let fixture = Fixture::new();
    let (mut stream, _serving) = served(&fixture).await;
    let length = 10 << 20;
    let more = format!("Content-Length: {length}\r\nConnection: close\r\n");
    stream.write_all(head("POST", "/api/v1/apply", &more).as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; length]).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_stream_and_the_whole_end_with_mcpd() {
    let fixture = Fixture::new();
    let (mut stream, serving) = served(&fixture).await;
    stream.write_all(head("GET", "/api/v1/watch", "").as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("synced") {
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "{answer}");
        answer += std::str::from_utf8(&buffer[..count]).unwrap();
    }
    fixture.api.end.cancel();
    stream.read_to_string(&mut answer).await.unwrap();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_sends_its_head_is_let_go() {
    let fixture = Fixture::new();
    let (mut stream, _serving) = served(&fixture).await;
    stream.write_all(b"GET /api/v1/servers HTTP/1.1\r\nHost:").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
}
