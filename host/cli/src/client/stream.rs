//! Answers that do not end by themselves: lines of a log, and server-sent events.

use reqwest::Response;
use serde::de::DeserializeOwned;

use super::unreachable;
use crate::trouble::{Done, Trouble};

/// A line longer than this is handed on in pieces: mcpd cuts those of a log long before.
const LINE_BYTES_MAX: usize = 4 << 20;

/// An answer, line by line as it comes.
pub(crate) struct Lines {
    response: Response,
    base: String,
    buffer: Vec<u8>,
    ended: bool,
}

impl Lines {
    pub(super) fn new(response: Response, base: String) -> Self {
        Self { response, base, buffer: Vec::new(), ended: false }
    }

    /// The next line without its end; `None` when the daemon has ended the answer.
    pub(crate) async fn next(&mut self) -> Done<Option<String>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(line));
            }
            if self.ended {
                let rest = std::mem::take(&mut self.buffer);
                return Ok((!rest.is_empty()).then(|| text(&rest)));
            }
            match self.response.chunk().await.map_err(|error| unreachable(&self.base, &error))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => self.ended = true,
            }
        }
    }

    fn take_line(&mut self) -> Option<String> {
        let end = self.buffer.iter().position(|&byte| byte == b'\n');
        let (length, skipped) = match end {
            Some(end) => (end, end + 1),
            None if self.buffer.len() >= LINE_BYTES_MAX => (LINE_BYTES_MAX, LINE_BYTES_MAX),
            None => return None,
        };
        let line = text(&self.buffer[..length]);
        self.buffer.drain(..skipped);
        Some(line)
    }
}

/// Server-sent events whose data is JSON of one type.
pub(crate) struct Follow {
    lines: Lines,
}

impl Follow {
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines }
    }

    /// The next event; comments, names and ids are passed over. `None` when the daemon has ended it.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Done<Option<T>> {
        let mut data = String::new();
        while let Some(line) = self.lines.next().await? {
            if let Some(more) = line.strip_prefix("data:") {
                data.push_str(more.strip_prefix(' ').unwrap_or(more));
            } else if line.is_empty() && !data.is_empty() {
                return parse(&data).map(Some);
            }
        }
        Ok(None)
    }
}

fn parse<T: DeserializeOwned>(data: &str) -> Done<T> {
    serde_json::from_str(data)
        .map_err(|error| Trouble::BadAnswer(format!("an event is not understood: {error}")))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.strip_suffix(b"\r").unwrap_or(bytes)).into_owned()
}
