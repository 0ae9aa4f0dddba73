//! Splits what a server writes into lines of its log, each held within the bounds of the log.

use memchr::memchr;

use super::log::{LINE_BYTES_MAX, LINE_MARGIN_BYTES, LogBook, LogStream};

/// Splits bytes into lines; of a long line, the start is held and the rest counted.
#[derive(Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    unread: usize,
}

impl Lines {
    /// Takes what was read, and writes each line that it completes into the log.
    pub(super) fn push_into(&mut self, book: &LogBook, stream: LogStream, bytes: &[u8]) {
        self.push(bytes, |line, unread| book.append(stream, line, unread));
    }

    /// Writes what is left without a newline: nothing more comes.
    pub(super) fn finish_into(&mut self, book: &LogBook, stream: LogStream) {
        self.finish(|line, unread| book.append(stream, line, unread));
    }

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
