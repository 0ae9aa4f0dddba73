//! What happened to an instance, as people read it; bounded, and without repetition (behaviour 2.6).

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Events kept per instance (behaviour 2.6).
pub const EVENTS_MAX: usize = 50;

/// Longest message of an event; what is over is cut off at the end. Room for the words of a failed check
/// (4 KiB, as the contract with probes has it) and what stands before them.
pub const EVENT_MESSAGE_BYTES_MAX: usize = 4096 + 256;

/// The reason of an event that tells how far something is. It is the last one for as long as that goes on, and
/// what comes next takes its place: how far it was is of no use to anybody afterwards.
pub const PULLING: &str = "Pulling";

/// Whether an event wants attention; the words are those of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Look here.
    Warning,
}

impl EventType {
    /// `Normal` or `Warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What an event says, before it has a time and a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDraft {
    /// Normal or Warning.
    pub event_type: EventType,
    /// One word in CamelCase, for programs.
    pub reason: &'static str,
    /// A sentence for a person.
    pub message: String,
}

impl EventDraft {
    /// As it should be.
    pub fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self { event_type: EventType::Normal, reason, message: message.into() }
    }

    /// Look here.
    pub fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { event_type: EventType::Warning, reason, message: message.into() }
    }
}

/// An event, possibly one that happened several times in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Normal or Warning.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// One word in CamelCase, for programs.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
    /// How often it happened in a row.
    pub count: u32,
    /// When it happened first.
    pub timestamp: Timestamp,
    /// When it happened last.
    pub last_timestamp: Timestamp,
}

impl Event {
    /// Whether it tells how far something is, so that the next event takes its place.
    pub fn is_progress(&self) -> bool {
        self.reason == PULLING
    }
}

/// The last [`EVENTS_MAX`] events, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventLog(VecDeque<Event>);

impl EventLog {
    /// Takes over what was kept on disk.
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Self {
        let mut log = Self(events.into_iter().collect());
        log.trim();
        log
    }

    /// Adds an event; one that repeats the last raises its count instead of pushing history out, and any takes
    /// the place of one that told how far something is.
    pub fn push(&mut self, mut draft: EventDraft, now: Timestamp) {
        draft.message = bounded(draft.message);
        if self.has_progressed(&draft, now) {
            return;
        }
        if let Some(last) = self.0.back_mut()
            && (last.event_type, last.reason.as_str(), &last.message)
                == (draft.event_type, draft.reason, &draft.message)
        {
            last.count = last.count.saturating_add(1);
            last.last_timestamp = now;
            return;
        }
        self.0.push_back(Event {
            event_type: draft.event_type,
            reason: draft.reason.to_owned(),
            message: draft.message,
            count: 1,
            timestamp: now,
            last_timestamp: now,
        });
        self.trim();
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.0.iter()
    }

    /// The newest.
    pub fn last(&self) -> Option<&Event> {
        self.0.back()
    }

    /// Brings a last event that tells of progress up to date, or removes it where something else follows.
    fn has_progressed(&mut self, draft: &EventDraft, now: Timestamp) -> bool {
        let Some(last) = self.0.back_mut().filter(|last| last.is_progress()) else { return false };
        if last.reason != draft.reason {
            self.0.pop_back();
            return false;
        }
        last.message.clone_from(&draft.message);
        last.last_timestamp = now;
        true
    }

    fn trim(&mut self) {
        while self.0.len() > EVENTS_MAX {
            self.0.pop_front();
        }
    }
}

/// Words from outside, no longer than [`EVENT_MESSAGE_BYTES_MAX`].
pub(crate) fn bounded(mut words: String) -> String {
    words.truncate(words.floor_char_boundary(EVENT_MESSAGE_BYTES_MAX));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_event_raises_its_count() {
        let mut log = EventLog::default();
        let later = Timestamp::from_second(9).unwrap();
        log.push(EventDraft::warning("Failed", "no"), Timestamp::UNIX_EPOCH);
        log.push(EventDraft::warning("Failed", "no"), later);
        log.push(EventDraft::warning("Failed", "other"), later);
        let seen: Vec<_> = log.iter().map(|e| (e.message.as_str(), e.count, e.last_timestamp)).collect();
        assert_eq!(seen, [("no", 2, later), ("other", 1, later)]);
    }

    #[test]
    fn progress_is_told_in_place_and_makes_room_for_what_comes_of_it() {
        let mut log = EventLog::default();
        let later = Timestamp::from_second(9).unwrap();
        for attempt in 0..3 {
            log.push(EventDraft::normal(PULLING, format!("{attempt} of 3 MiB")), Timestamp::UNIX_EPOCH);
            log.push(EventDraft::normal(PULLING, "3 of 3 MiB"), later);
            let last = log.last().unwrap();
            assert_eq!((last.message.as_str(), last.count, last.last_timestamp), ("3 of 3 MiB", 1, later));
            assert_eq!(last.timestamp, Timestamp::UNIX_EPOCH);
            log.push(EventDraft::warning("StartFailed", "no space left"), later);
        }
        let seen: Vec<_> = log.iter().map(|event| (event.reason.as_str(), event.count)).collect();
        assert_eq!(seen, [("StartFailed", 3)]);
    }

    #[test]
    fn a_long_message_is_cut_and_still_counts_as_the_same() {
        let mut log = EventLog::default();
        for _ in 0..2 {
            log.push(EventDraft::normal("Told", "ä".repeat(9999)), Timestamp::UNIX_EPOCH);
        }
        let last = log.last().unwrap();
        assert_eq!((last.count, last.message.len()), (2, EVENT_MESSAGE_BYTES_MAX));
    }

    #[test]
    fn the_last_fifty_are_kept() {
        let mut log = EventLog::default();
        for n in 0..120 {
            log.push(EventDraft::normal("Tick", n.to_string()), Timestamp::UNIX_EPOCH);
        }
        assert_eq!(log.iter().count(), EVENTS_MAX);
        assert_eq!(log.iter().next().unwrap().message, "70");
    }
}
