//! The calls in flight: who waits for which id, and since when.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::{Answer, CloseReason};

/// On whose behalf a call is made. A check that runs into its deadline while a client's call keeps the
/// server busy says nothing about the server (behaviour 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Somebody who uses the server.
    Client,
    /// A check, or mcpd itself.
    Check,
}

/// How many calls are in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// Those of clients.
    pub clients: usize,
    /// Those of checks.
    pub checks: usize,
}

/// How a call ended, as far as the reading side knows it.
#[derive(Debug)]
pub(crate) enum Ending {
    Answered(Answer),
    Invalid(&'static str),
    TooLarge { bytes: u64 },
    Lost(CloseReason),
}

pub(crate) struct Calls {
    waiting: Mutex<HashMap<u64, Waiting>>,
    limit: usize,
}

struct Waiting {
    ending: oneshot::Sender<Ending>,
    caller: Caller,
    since: Instant,
}

/// As many calls are in flight as may be.
#[derive(Debug)]
pub(crate) struct Full;

impl Calls {
    pub(crate) fn new(limit: usize) -> Self {
        Self { waiting: Mutex::default(), limit }
    }

    pub(crate) fn begin(&self, id: u64, caller: Caller) -> Result<oneshot::Receiver<Ending>, Full> {
        let (ending, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.len() >= self.limit {
            return Err(Full);
        }
        waiting.insert(id, Waiting { ending, caller, since: Instant::now() });
        Ok(receiver)
    }

    /// Ends the call of that id; `false` when nobody waits for it. The ending is only made when
    /// somebody does.
    pub(crate) fn end(&self, id: u64, ending: impl FnOnce() -> Ending) -> bool {
        let Some(waiting) = self.lock().remove(&id) else { return false };
        // A caller that is gone has no use for it.
        let _ = waiting.ending.send(ending());
        true
    }

    /// Takes the call out without an ending; `false` when it had one already.
    pub(crate) fn abandon(&self, id: u64) -> bool {
        self.lock().remove(&id).is_some()
    }

    pub(crate) fn end_all(&self, reason: &CloseReason) {
        let waiting = std::mem::take(&mut *self.lock());
        for (_, call) in waiting {
            let _ = call.ending.send(Ending::Lost(reason.clone()));
        }
    }

    pub(crate) fn in_flight(&self) -> InFlight {
        let waiting = self.lock();
        let clients = waiting.values().filter(|call| call.caller == Caller::Client).count();
        InFlight { clients, checks: waiting.len() - clients }
    }

    /// Whether one client's call has been in flight from `start` until now. It is within its deadline
    /// then, for at its deadline a call is taken out.
    pub(crate) fn client_since(&self, start: Instant) -> bool {
        self.lock().values().any(|call| call.caller == Caller::Client && call.since <= start)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        // Nothing panics while it is held, and a table of calls is valid after each single step.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_ends_once() {
        let calls = Calls::new(8);
        let mut receiver = calls.begin(7, Caller::Client).expect("room");
        assert!(calls.end(7, || Ending::Invalid("first")));
        assert!(!calls.end(7, || Ending::Invalid("second")));
        assert!(!calls.abandon(7));
        assert!(matches!(receiver.try_recv(), Ok(Ending::Invalid("first"))));
    }

    #[test]
    fn the_limit_counts_calls_of_both_kinds() {
        let calls = Calls::new(2);
        let _first = calls.begin(1, Caller::Client).expect("room");
        let _second = calls.begin(2, Caller::Check).expect("room");
        assert!(calls.begin(3, Caller::Client).is_err());
        assert_eq!(calls.in_flight(), InFlight { clients: 1, checks: 1 });
        assert!(calls.abandon(1));
        assert!(calls.begin(3, Caller::Client).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn busy_is_one_client_call_over_the_whole_interval() {
        let calls = Calls::new(8);
        let before = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        let _check = calls.begin(1, Caller::Check).expect("room");
        let _client = calls.begin(2, Caller::Client).expect("room");
        let after = Instant::now();
        assert!(!calls.client_since(before), "it began within the interval");
        assert!(calls.client_since(after));
        calls.abandon(2);
        assert!(!calls.client_since(after), "a check's own call does not count");
    }
}
