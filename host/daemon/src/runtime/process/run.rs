//! One run as the rest of mcpd sees it: how far it is, and how it is stopped.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::guard::wire::Word;
use crate::runtime::Presence;

/// How long each step of a stop may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// After stdin was closed, which whoever holds it does before.
    pub stdin: Duration,
    /// Then after SIGTERM to the server's process group.
    pub term: Duration,
    /// Then after SIGKILL to the whole tree. The kernel needs milliseconds, unless a process hangs in a dead
    /// disk; past it the stop has failed.
    pub kill: Duration,
}

impl Default for Grace {
    /// The figures of behaviour 5.5.
    fn default() -> Self {
        Self { stdin: Duration::from_secs(2), term: Duration::from_secs(5), kill: Duration::from_secs(5) }
    }
}

/// Words that wait for the guardian; there are two, and neither is said twice by one stop.
pub(super) const WORDS_MAX: usize = 8;

/// How far a run is. It only ever moves down this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RunState {
    Starting,
    Running,
    /// The server ended; what it left is being ended.
    Exited,
    /// Proved: nothing is left.
    Gone,
}

/// The hold that the runtime has on a run; its keeper has the other end of each part.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) words: mpsc::Sender<Word>,
    pub(super) state: watch::Receiver<RunState>,
}

impl Run {
    /// How far it is. Without a keeper nothing was started, or its guardian has ended it.
    pub(super) fn state(&self) -> RunState {
        if self.state.has_changed().is_err() { RunState::Gone } else { *self.state.borrow() }
    }

    /// How far it is, in the words of the port; `None` when it is gone.
    pub(super) fn presence(&self) -> Option<Presence> {
        match self.state() {
            RunState::Starting => Some(Presence::Starting),
            RunState::Running => Some(Presence::Running),
            RunState::Exited => Some(Presence::Ending),
            RunState::Gone => None,
        }
    }

    /// Stops it step by step; whether it is proved gone.
    pub(super) async fn stop(&mut self, grace: Grace) -> bool {
        if self.is_gone_within(grace.stdin).await {
            return true;
        }
        self.say(Word::Terminate);
        if self.is_gone_within(grace.term).await {
            return true;
        }
        self.kill(grace).await
    }

    /// Kills the whole tree; whether it is proved gone.
    pub(super) async fn kill(&mut self, grace: Grace) -> bool {
        self.say(Word::Kill);
        self.is_gone_within(grace.kill).await
    }

    /// Waits until it is proved gone, no longer than `limit`.
    pub(super) async fn is_gone_within(&mut self, limit: Duration) -> bool {
        let gone = self.state.wait_for(|state| *state == RunState::Gone);
        // A keeper that is gone has seen to it.
        timeout(limit, gone).await.is_ok()
    }

    fn say(&self, word: Word) {
        // Where the queue is full, the guardian has heard as much before; where it is closed, it is gone.
        let _ = self.words.try_send(word);
    }
}
