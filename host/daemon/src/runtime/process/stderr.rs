//! Carries the server's stderr into its log, line by line and bounded.

use std::sync::Arc;

use memchr::memchr;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::super::log::{LINE_BYTES_MAX, LINE_MARGIN_BYTES, LogBook, LogStream};

/// Read at once: a pipe hands out no more than this in most cases.
const CHUNK_BYTES: usize = 16 * 1024;

/// Reads until the last holder of the pipe is gone. Always reads on, or a chatty server would stand still.
pub(super) async fn pump(mut stderr: pipe::Receiver, book: Arc<LogBook>) {
    let mut lines = Lines::default();
    let mut chunk = vec![0_u8; CHUNK_BYTES];
    while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
        lines.push(&chunk[..count], |line, unread| book.append(LogStream::Stderr, line, unread));
    }
    lines.finish(|line, unread| book.append(LogStream::Stderr, line, unread));
}

/// Splits bytes into lines; of a long line, the start is held and the rest counted.
#[derive(Default)]
struct Lines {
    held: Vec<u8>,
    unread: usize,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8], usize)) {
        while let Some(end) = memchr(b'\n', bytes) {
            self.hold(&bytes[..end]);
            self.take(&mut line);
            bytes = &bytes[end + 1..];
        }
        self.hold(bytes);
    }

    fn finish(&mut self, mut line: impl FnMut(&[u8], usize)) {
        if !self.held.is_empty() {
            self.take(&mut line);
        }
    }

    fn hold(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX + LINE_MARGIN_BYTES - self.held.len();
        let (held, unread) = bytes.split_at(room.min(bytes.len()));
        self.held.extend_from_slice(held);
        self.unread += unread.len();
    }

    fn take(&mut self, line: &mut impl FnMut(&[u8], usize)) {
        line(&self.held, std::mem::take(&mut self.unread));
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.push(chunk, |line, unread| found.push((line.len(), unread)));
        }
        lines.finish(|line, unread| found.push((line.len(), unread)));
        found
    }

    #[test]
    fn lines_are_found_wherever_the_chunks_are_cut() {
        assert_eq!(split(&[b"ab\nc", b"d\n\ne"]), [(2, 0), (2, 0), (0, 0), (1, 0)]);
        assert_eq!(split(&[]), []);
    }

    #[test]
    fn an_endless_line_is_held_no_further_than_its_bound() {
        let chunk = vec![b'x'; 10 * 1024];
        let bound = LINE_BYTES_MAX + LINE_MARGIN_BYTES;
        assert_eq!(split(&[&chunk, &chunk, &chunk, b"\ny\n"]), [(bound, 10 * 1024), (1, 0)]);
    }
}
