//! Calls over kept-alive HTTP, by a client that does as little as a client can do.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::PARAMS;
use crate::daemon::{Daemon, SERVER};

const LENGTH: &[u8] = b"content-length: ";
const HEAD_END: &[u8] = b"\r\n\r\n";

/// One connection that asks the same again and again.
pub(crate) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    /// Connects to the daemon.
    pub(crate) async fn connect(daemon: &Daemon) -> io::Result<Self> {
        let stream = TcpStream::connect(&daemon.address).await?;
        stream.set_nodelay(true)?;
        let body = format!(r#"{{"method":"tools/call","params":{PARAMS}}}"#);
        let request = daemon.request("POST", &format!("/api/v1/servers/{SERVER}/mcp"), &body);
        Ok(Self { stream, request: request.into_bytes(), answer: Vec::new() })
    }

    /// Makes one call.
    ///
    /// # Panics
    /// When the answer is not the one that was asked for.
    pub(crate) async fn call(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        while !is_whole(&self.answer) {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        assert!(find(&self.answer, b"\"hello\"").is_some(), "{}", String::from_utf8_lossy(&self.answer));
        Ok(())
    }
}

/// Time of `count` rounds in which each of `callers` makes one call over its own connection.
pub(crate) async fn calls(daemon: &Daemon, callers: usize, count: u64) -> Duration {
    let mut clients = Vec::new();
    for _ in 0..callers {
        clients.push(Client::connect(daemon).await.expect("connected"));
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            for _ in 0..count {
                client.call().await.expect("an answer");
            }
        });
    }
    tasks.join_all().await;
    began.elapsed()
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = find(answer, HEAD_END) else { return false };
    let length = find(&answer[..head], LENGTH).map(|at| &answer[at + LENGTH.len()..head]);
    let digits = length.and_then(|text| text.split(|byte| *byte == b'\r').next()).unwrap_or_default();
    let length: usize =
        std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).expect("a length");
    answer.len() >= head + HEAD_END.len() + length
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
