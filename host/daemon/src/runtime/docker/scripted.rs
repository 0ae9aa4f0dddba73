//! An engine that answers from a script, for what a real one does once in a year.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::endpoint::{Docker, Endpoint, connect};

/// What a connection to the engine meets, after its request was read.
pub(super) enum Turn {
    /// These bytes, and then the end of the connection.
    Say(Vec<u8>),
    /// These bytes, and then nothing for ever.
    SayAndHang(Vec<u8>),
}

/// An engine whose connections meet one turn after the other.
pub(super) struct Scripted {
    pub(super) docker: Docker,
    asked: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
    _task: JoinSet<()>,
}

impl Scripted {
    pub(super) fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        task.spawn(answer(listener, turns.into_iter().collect(), Arc::clone(&asked)));
        Self { docker: connect(&Endpoint::at(path)), asked, _folder: folder, _task: task }
    }

    /// What it was asked, each with head and body.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(listener: UnixListener, mut turns: VecDeque<Turn>, asked: Arc<Mutex<Vec<String>>>) {
    let mut hanging = Vec::new();
    while let Some(turn) = turns.pop_front() {
        let (mut stream, _) = listener.accept().await.unwrap();
        let request = read_request(&mut stream).await;
        asked.lock().unwrap().push(request);
        match turn {
            Turn::Say(bytes) => stream.write_all(&bytes).await.unwrap(),
            Turn::SayAndHang(bytes) => {
                stream.write_all(&bytes).await.unwrap();
                hanging.push(stream);
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Reads a head, and a body as long as the head says.
async fn read_request(stream: &mut UnixStream) -> String {
    let mut read = Vec::new();
    loop {
        assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0, "the request broke off");
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return text.into_owned();
        }
    }
}

/// A whole answer of JSON.
pub(super) fn json(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
        .into()
}

/// The beginning of an answer that goes on until its connection ends.
pub(super) fn stream(body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n", body].concat()
}

/// A connection that is handed over.
pub(super) fn upgraded(body: &[u8]) -> Vec<u8> {
    let head = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    [head.as_bytes(), body].concat()
}

/// A frame of stdout (1) or stderr (2).
pub(super) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 0, 0, 0], &length[..], payload].concat()
}
