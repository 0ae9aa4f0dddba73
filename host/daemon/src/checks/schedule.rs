//! Due times of many instances: the earliest first, found without looking at the others.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use mcpd_core::name::InstanceId;
use tokio::time::Instant;

/// Entries that were replaced stay in the heap until they surface; past this many more than there are
/// live ones the heap is built anew, so that it stays as large as what it serves.
const STALE_MAX: usize = 1024;

/// When each instance is due next.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    heap: BinaryHeap<Reverse<(Instant, u64, InstanceId)>>,
    entries: HashMap<InstanceId, Entry>,
    last_ticket: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    ticket: u64,
    at: Instant,
}

impl Schedule {
    /// The instance is due at `at`, whatever was said of it before.
    pub(super) fn set(&mut self, id: &InstanceId, at: Instant) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.entries.insert(id.clone(), Entry { ticket, at });
        self.heap.push(Reverse((at, ticket, id.clone())));
        if self.heap.len() > self.entries.len() + STALE_MAX {
            self.rebuild();
        }
    }

    /// The same, unless the instance has a due time already.
    pub(super) fn set_if_absent(&mut self, id: &InstanceId, at: Instant) {
        if !self.entries.contains_key(id) {
            self.set(id, at);
        }
    }

    /// The instance is not due any more.
    pub(super) fn forget(&mut self, id: &InstanceId) {
        self.entries.remove(id);
    }

    /// The earliest due time.
    pub(super) fn next_at(&mut self) -> Option<Instant> {
        self.drop_stale();
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Takes an instance that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<InstanceId> {
        self.drop_stale();
        if self.heap.peek().is_none_or(|Reverse((at, _, _))| *at > now) {
            return None;
        }
        let Reverse((_, _, id)) = self.heap.pop()?;
        self.entries.remove(&id);
        Some(id)
    }

    fn drop_stale(&mut self) {
        while let Some(Reverse((_, ticket, id))) = self.heap.peek() {
            if self.entries.get(id).is_some_and(|entry| entry.ticket == *ticket) {
                return;
            }
            self.heap.pop();
        }
    }

    fn rebuild(&mut self) {
        let live = |(id, entry): (&InstanceId, &Entry)| Reverse((entry.at, entry.ticket, id.clone()));
        self.heap = self.entries.iter().map(live).collect();
    }
}

/// The next due time on the grid `base + n × interval` that lies ahead: what was missed is skipped, not
/// queued (behaviour 6.4).
pub(super) fn next_on_grid(base: Instant, interval: Duration, now: Instant) -> Instant {
    let Some(passed) = now.checked_duration_since(base) else { return base };
    let step = interval.as_nanos().max(1);
    let ahead = step - passed.as_nanos() % step;
    now + Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> InstanceId {
        InstanceId::new(text)
    }

    #[test]
    fn the_earliest_comes_first_and_each_only_once() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.set(&id("b"), now + Duration::from_secs(2));
        schedule.set(&id("a"), now + Duration::from_secs(1));
        schedule.set(&id("b"), now);
        assert_eq!(schedule.pop(now), Some(id("b")));
        assert_eq!(schedule.pop(now), None);
        assert_eq!(schedule.next_at(), Some(now + Duration::from_secs(1)));
        schedule.forget(&id("a"));
        assert_eq!(schedule.next_at(), None);
    }

    #[test]
    fn setting_again_and_again_does_not_grow_the_heap() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        for n in 0..100_000 {
            schedule.set(&id("a"), now + Duration::from_millis(n));
        }
        assert!(schedule.heap.len() <= STALE_MAX + 1);
        assert_eq!(schedule.next_at(), Some(now + Duration::from_millis(99_999)));
    }

    #[test]
    fn a_missed_due_time_is_skipped() {
        let base = Instant::now();
        let at = |ms| base + Duration::from_millis(ms);
        let interval = Duration::from_millis(100);
        assert_eq!(next_on_grid(base, interval, at(0)), at(100));
        assert_eq!(next_on_grid(base, interval, at(99)), at(100));
        assert_eq!(next_on_grid(base, interval, at(350)), at(400));
        assert_eq!(next_on_grid(at(500), interval, at(350)), at(500));
    }
}
