//! The one task that reads a server's stdout, and what it does with each line.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::CloseReason;
use crate::calls::Ending;
use crate::envelope::{Envelope, Message};
use crate::frame;
use crate::lines::{Line, Lines, Oversized};
use crate::link::Link;
use crate::outbox::Purpose;
use crate::traffic::count;

/// Reads until stdout ends, then ends the connection.
pub(crate) async fn read(mut stdout: impl AsyncRead + Unpin, link: Arc<Link>) {
    let mut lines = Lines::new(link.limits.message_bytes);
    let reason = loop {
        match stdout.read_buf(&mut lines.room()).await {
            Ok(0) => break end(&mut lines, &link),
            Ok(_) => {
                while let Some(line) = lines.next() {
                    take_line(&link, line);
                }
            }
            Err(error) => break CloseReason::StdoutBroken(error.to_string()),
        }
    };
    link.stop(&reason);
}

/// A last message may lack its newline.
fn end(lines: &mut Lines, link: &Link) -> CloseReason {
    let is_torn = lines.rest().is_some_and(|rest| !take_line(link, rest));
    if is_torn { CloseReason::StdoutEndedInMessage } else { CloseReason::StdoutEnded }
}

/// Takes a line to whom it concerns; `false` when it was no message.
fn take_line(link: &Link, next: Line<'_>) -> bool {
    let bytes = match next {
        Line::Whole(bytes) => bytes,
        Line::Oversized(oversized) => {
            take_oversized(link, &oversized);
            return false;
        }
    };
    let is_message = std::str::from_utf8(bytes).is_ok_and(|text| take_text(link, text));
    if !is_message && !bytes.trim_ascii().is_empty() {
        take_noise(link, bytes);
    }
    is_message
}

/// Revision 2025-03-26 allows several messages in one array; there each is taken by itself.
fn take_text(link: &Link, text: &str) -> bool {
    match Envelope::read(text) {
        Some(envelope) => take_message(link, &envelope),
        None => text.trim_start().starts_with('[') && take_batch(link, text),
    }
}

fn take_message(link: &Link, envelope: &Envelope<'_>) -> bool {
    match envelope.message() {
        Message::Answer { id } => take_answer(link, id, envelope),
        Message::Request { id, method } => {
            let reply = link.send(Purpose::Reply, frame::reply(id, method));
            let counters = &link.counters;
            count(if reply.is_ok() { &counters.server_requests } else { &counters.server_requests_dropped });
            true
        }
        Message::Unanswerable => {
            count(&link.counters.server_requests_dropped);
            true
        }
        Message::Notification => {
            count(&link.counters.notifications);
            true
        }
        Message::Noise => false,
    }
}

/// An object with an `id` that is not JSON-RPC is a message only when somebody waits for that id.
fn take_answer(link: &Link, id: Option<u64>, envelope: &Envelope<'_>) -> bool {
    if id.is_some_and(|id| link.calls.end(id, || envelope.ending())) {
        return true;
    }
    if envelope.is_version_2() {
        count(&link.counters.unknown_answers);
    }
    envelope.is_version_2()
}

/// An oversized line is most likely an answer, and its id stands at one of its ends. A number that only
/// looks like an id does no harm: ids start at a random place among 2^52. Of one of nobody only the length is
/// told: its start could end within a secret.
fn take_oversized(link: &Link, skipped: &Oversized) {
    count(&link.counters.oversized_lines);
    let ids = ids_in(&skipped.head).chain(ids_in(&skipped.tail));
    for id in ids {
        if link.calls.end(id, || Ending::TooLarge { bytes: skipped.bytes }) {
            return;
        }
    }
    count(&link.counters.noise_lines);
    (link.noise)(&format!("skipped a line of {} bytes", skipped.bytes));
}

fn ids_in(bytes: &[u8]) -> impl Iterator<Item = u64> {
    const KEY: &[u8] = b"\"id\"";
    memchr::memmem::find_iter(bytes, KEY).filter_map(|at| {
        let value = bytes[at + KEY.len()..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
    })
}

/// Hands on the whole line, for a secret in it could not be recognised by its first half.
fn take_noise(link: &Link, bytes: &[u8]) {
    count(&link.counters.noise_lines);
    (link.noise)(&String::from_utf8_lossy(bytes));
}

/// Takes element by element, so that a long array costs no memory; `false` when none was a message.
fn take_batch(link: &Link, text: &str) -> bool {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_seq(Batch(link)).unwrap_or(false)
}

struct Batch<'a>(&'a Link);

impl<'de> Visitor<'de> for Batch<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<bool, A::Error> {
        let mut is_message = false;
        while let Some(element) = sequence.next_element::<&RawValue>()? {
            let envelope = Envelope::read(element.get());
            is_message |= envelope.is_some_and(|envelope| take_message(self.0, &envelope));
        }
        Ok(is_message)
    }
}
