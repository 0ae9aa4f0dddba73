//! Splits a byte stream into lines and never holds more than one line of the largest size.

use bytes::BufMut;
use bytes::buf::Limit;
use memchr::memchr;

/// What an idle connection keeps: most messages fit, and a fleet of idle servers costs little.
const BUFFER_BYTES_MIN: usize = 8 << 10;
/// After a longer line than this the buffer is given back.
const BUFFER_BYTES_KEPT: usize = 256 << 10;
/// A read is worth a system call from this many free bytes on.
const READ_BYTES_MIN: usize = 4 << 10;
/// How much is kept of each end of an oversized line: an id stands within it, in front (Python, Go,
/// Rust) or behind the result (the TypeScript SDK).
const END_BYTES: usize = 256;

/// One line, without its newline and without a carriage return before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    Whole(&'a [u8]),
    /// Longer than the limit; it was skipped.
    Oversized(Oversized),
}

/// What is known of a line that was skipped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Oversized {
    pub(crate) head: Vec<u8>,
    pub(crate) tail: Vec<u8>,
    pub(crate) bytes: u64,
}

/// The buffer between a reader and the lines in it. Holds `limit + 1` bytes at most.
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line starts.
    start: usize,
    /// Up to where there is no newline after `start`.
    scanned: usize,
    limit: usize,
    skipping: Option<Oversized>,
}

impl Lines {
    pub(crate) fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scanned: 0, limit, skipping: None }
    }

    /// Free space to read into; never empty after `next` gave `None`.
    pub(crate) fn room(&mut self) -> Limit<&mut Vec<u8>> {
        self.compact();
        self.grow();
        let room = self.buffer.capacity().min(self.limit + 1) - self.buffer.len();
        (&mut self.buffer).limit(room)
    }

    /// The next line that is complete.
    pub(crate) fn next(&mut self) -> Option<Line<'_>> {
        let Some(at) = memchr(b'\n', &self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            self.skip_what_is_over();
            return None;
        };
        let end = self.scanned + at;
        let start = std::mem::replace(&mut self.start, end + 1);
        self.scanned = end + 1;
        Some(Self::line(self.skipping.take(), &self.buffer[start..end], self.limit))
    }

    /// What came after the last newline, when the stream has ended.
    pub(crate) fn rest(&mut self) -> Option<Line<'_>> {
        let start = std::mem::replace(&mut self.start, self.buffer.len());
        self.scanned = self.buffer.len();
        let skipped = self.skipping.take();
        let rest = &self.buffer[start..];
        (skipped.is_some() || !rest.is_empty()).then(|| Self::line(skipped, rest, self.limit))
    }

    fn line(skipped: Option<Oversized>, bytes: &[u8], limit: usize) -> Line<'_> {
        if skipped.is_none() && bytes.len() <= limit {
            return Line::Whole(bytes.strip_suffix(b"\r").unwrap_or(bytes));
        }
        let mut oversized = skipped.unwrap_or_default();
        oversized.push(bytes);
        Line::Oversized(oversized)
    }

    fn skip_what_is_over(&mut self) {
        let pending = &self.buffer[self.start..];
        if self.skipping.is_none() && pending.len() <= self.limit {
            return;
        }
        self.skipping.get_or_insert_default().push(pending);
        self.start = self.buffer.len();
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        if self.buffer.is_empty() && self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
    }

    fn grow(&mut self) {
        let capacity = self.buffer.capacity();
        if capacity - self.buffer.len() < READ_BYTES_MIN {
            let wanted = (capacity * 2).max(BUFFER_BYTES_MIN).min(self.limit + 1);
            self.buffer.reserve_exact(wanted.saturating_sub(self.buffer.len()));
        }
    }
}

impl Oversized {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        let to_head = bytes.len().min(END_BYTES - self.head.len());
        self.head.extend_from_slice(&bytes[..to_head]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(END_BYTES)..]);
        self.tail.drain(..self.tail.len().saturating_sub(END_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Limits;

    const LIMIT: usize = 600;

    #[derive(Debug, PartialEq, Eq)]
    enum Seen {
        Whole(Vec<u8>),
        Oversized(u64, Vec<u8>, Vec<u8>),
    }

    impl From<Line<'_>> for Seen {
        fn from(line: Line<'_>) -> Self {
            match line {
                Line::Whole(bytes) => Self::Whole(bytes.to_vec()),
                Line::Oversized(over) => Self::Oversized(over.bytes, over.head, over.tail),
            }
        }
    }

    /// Feeds the stream in pieces of the given sizes, over and over.
    fn split(stream: &[u8], limit: usize, sizes: &[usize]) -> Vec<Seen> {
        let (mut lines, mut seen, mut rest) = (Lines::new(limit), Vec::new(), stream);
        let mut sizes = sizes.iter().copied().cycle();
        while !rest.is_empty() {
            let mut room = lines.room();
            let count = sizes.next().unwrap_or(1).clamp(1, room.remaining_mut()).min(rest.len());
            room.put_slice(&rest[..count]);
            rest = &rest[count..];
            while let Some(line) = lines.next() {
                seen.push(line.into());
            }
            assert!(lines.buffer.capacity() <= limit + 1, "never more than one line is held");
        }
        seen.extend(lines.rest().map(Seen::from));
        seen
    }

    fn ends(line: &[u8]) -> Seen {
        if line.len() <= LIMIT {
            return Seen::Whole(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
        }
        let tail = line[line.len() - END_BYTES..].to_vec();
        Seen::Oversized(line.len() as u64, line[..END_BYTES].to_vec(), tail)
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            lines in prop::collection::vec(prop::collection::vec(any::<u8>().prop_filter("newline", |b| *b != b'\n'), 0..1500), 1..12),
            sizes in prop::collection::vec(1_usize..900, 1..8),
        ) {
            let stream = lines.join(&b'\n');
            let mut expected: Vec<Seen> = lines.iter().map(|line| ends(line)).collect();
            if lines.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(split(&stream, LIMIT, &sizes), expected);
        }
    }

    #[test]
    fn a_line_at_the_limit_is_whole_and_one_over_it_is_not() {
        let seen = split(b"12345\n123456\n\n", 5, &[64]);
        assert!(
            matches!(&seen[..], [Seen::Whole(a), Seen::Oversized(6, ..), Seen::Whole(b)] if a == b"12345" && b.is_empty())
        );
    }

    #[test]
    fn a_hundred_mebibytes_are_skipped_in_bounded_memory() {
        let mut lines = Lines::new(Limits::MESSAGE_BYTES);
        let mut fed = 0;
        while fed < 100 << 20 {
            let mut room = lines.room();
            let count = room.remaining_mut().min(64 << 10);
            room.put_bytes(b'x', count);
            fed += count;
            assert_eq!(lines.next(), None);
            assert!(lines.buffer.capacity() <= Limits::MESSAGE_BYTES + 1);
        }
        lines.room().put_slice(b"\nnext\n");
        assert!(matches!(lines.next(), Some(Line::Oversized(over)) if over.bytes == fed as u64));
        assert_eq!(lines.next(), Some(Line::Whole(b"next")));
    }
}
