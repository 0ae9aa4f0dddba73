//! The log of an instance: bounded, masked, with the attempt before kept for `--previous`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use mcpd_core::secret::Redactor;
use tokio::sync::watch;

/// Text kept of the current attempt: plenty to read, and 200 chatty instances stay within 200 MiB.
pub const LOG_BYTES_MAX: usize = 1024 * 1024;
/// Lines kept of the current attempt: bounds what many short lines cost beside their text.
pub const LOG_LINES_MAX: usize = 10_000;
/// Text kept of the attempt before: its end is what tells why it ended.
pub const PREVIOUS_BYTES_MAX: usize = 128 * 1024;
/// Longest line that is kept whole, in bytes.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// Read beyond the kept part of a long line, so that a secret across the cut is masked as a whole. Where a
/// secret may be longer than this, less of the line is kept.
pub const LINE_MARGIN_BYTES: usize = 4 * 1024;
/// Lines of stderr that go into an exit event.
pub const TAIL_LINES_MAX: usize = 20;
/// Bytes of stderr that go into an exit event.
pub const TAIL_BYTES_MAX: usize = 2 * 1024;

/// One line, masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was read.
    pub at: Timestamp,
    /// Where it came from.
    pub stream: LogStream,
    /// The line without its end; invalid UTF-8 is replaced, a long one is cut and says so.
    pub text: String,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// The server's stderr.
    Stderr,
    /// The server's stdout, where the line was no message of the protocol.
    Stdout,
}

/// Which lines are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogQuery {
    /// The last so many lines only.
    pub tail: Option<usize>,
    /// Of which attempt.
    pub attempt: Attempt,
}

/// An attempt, as seen from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attempt {
    /// The one that runs, or ran last.
    #[default]
    Current,
    /// The one before.
    Previous,
}

/// The log of one instance. Cheap to share; every method takes a lock for a moment.
pub struct LogBook {
    pages: Mutex<Pages>,
    changes: watch::Sender<Change>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl LogBook {
    /// An empty log whose lines get their time from `now`.
    pub fn new(now: Arc<dyn Fn() -> Timestamp + Send + Sync>) -> Self {
        Self { pages: Mutex::default(), changes: watch::Sender::new(Change::Written), now }
    }

    /// Opens a new attempt: what was current becomes previous, and its end is kept.
    pub fn turn_page(&self, redactor: Redactor) {
        let mut pages = self.lock();
        let next = pages.current.next();
        pages.previous = std::mem::replace(&mut pages.current, Ring { first: next, ..Ring::default() });
        pages.previous.shrink(PREVIOUS_BYTES_MAX);
        pages.redactor = redactor;
    }

    /// Masks, cuts and keeps one line; `unread` bytes of it were skipped by the reader already.
    pub fn append(&self, stream: LogStream, line: &[u8], unread: usize) {
        let at = (self.now)();
        let (line, rest) = line.split_at(line.len().min(LINE_BYTES_MAX + LINE_MARGIN_BYTES));
        let redactor = self.lock().redactor.clone();
        let text = readable(line, unread + rest.len(), &redactor);
        let mut pages = self.lock();
        pages.current.push(LogLine { at, stream, text });
        drop(pages);
        self.changes.send_replace(Change::Written);
    }

    /// The lines asked for, oldest first.
    pub fn lines(&self, query: LogQuery) -> Vec<LogLine> {
        let pages = self.lock();
        let ring = match query.attempt {
            Attempt::Current => &pages.current,
            Attempt::Previous => &pages.previous,
        };
        let skipped = query.tail.map_or(0, |tail| ring.lines.len().saturating_sub(tail));
        ring.lines.iter().skip(skipped).cloned().collect()
    }

    /// The end of the current attempt's stderr, for the exit event.
    pub fn stderr_tail(&self) -> String {
        let pages = self.lock();
        let mut bytes = 0;
        let mut tail: Vec<&str> = pages
            .current
            .lines
            .iter()
            .rev()
            .filter(|line| line.stream == LogStream::Stderr)
            .take(TAIL_LINES_MAX)
            .map(|line| line.text.as_str())
            .take_while(|text| {
                bytes += text.len() + 1;
                bytes == text.len() + 1 || bytes <= TAIL_BYTES_MAX
            })
            .collect();
        tail.reverse();
        let tail = tail.join("\n");
        tail[tail.ceil_char_boundary(tail.len().saturating_sub(TAIL_BYTES_MAX))..].to_owned()
    }

    /// The lines asked for and those to come, over all attempts, until [`Self::close`]. A reader that is too
    /// slow misses lines, and holds up nobody.
    pub fn follow(self: Arc<Self>, query: LogQuery) -> BoxStream<'static, LogLine> {
        let changes = self.changes.subscribe();
        let (then, next) = (self.lines(query), self.lock().current.next());
        let to_come = stream::unfold((self, changes, next), |(book, mut changes, next)| async move {
            loop {
                let change = *changes.borrow_and_update();
                if let Some((number, line)) = book.line_from(next) {
                    return Some((line, (book, changes, number + 1)));
                }
                if change == Change::Closed {
                    return None;
                }
                changes.changed().await.ok()?;
            }
        });
        stream::iter(then).chain(to_come).boxed()
    }

    /// Ends those who follow: the instance is gone.
    pub fn close(&self) {
        self.changes.send_replace(Change::Closed);
    }

    /// The first kept line whose number is `number` or more.
    fn line_from(&self, number: u64) -> Option<(u64, LogLine)> {
        let pages = self.lock();
        let number = number.max(pages.current.first);
        let index = usize::try_from(number - pages.current.first).ok()?;
        pages.current.lines.get(index).map(|line| (number, line.clone()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Written,
    Closed,
}

#[derive(Default)]
struct Pages {
    current: Ring,
    previous: Ring,
    redactor: Redactor,
}

/// The last lines of an attempt, numbered over all attempts of the instance.
#[derive(Default)]
struct Ring {
    lines: VecDeque<LogLine>,
    bytes: usize,
    first: u64,
}

impl Ring {
    fn next(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    fn push(&mut self, line: LogLine) {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        self.shrink(LOG_BYTES_MAX);
    }

    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max || self.lines.len() > LOG_LINES_MAX {
            let Some(line) = self.lines.pop_front() else { return };
            self.bytes -= line.text.len();
            self.first += 1;
        }
    }
}

/// The line as people may read it. Masked before it is cut: half a secret would not be recognised, so the end
/// of a line that the reader has cut already is kept only as far as none can begin there.
fn readable(line: &[u8], unread: usize, redactor: &Redactor) -> String {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end_matches(['\r', '\n']);
    let (mut text, left_out) =
        if unread > 0 { redactor.mask_cut(line) } else { (redactor.mask(line).into_owned(), 0) };
    let kept = text.floor_char_boundary(LINE_BYTES_MAX);
    let cut = text.len() - kept + left_out + unread;
    text.truncate(kept);
    match cut {
        0 => {}
        _ if text.is_empty() => text = format!("(a line of {cut} bytes)"),
        _ => {
            let _ = write!(text, " … ({cut} more bytes)");
        }
    }
    text
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
