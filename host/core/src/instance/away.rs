//! What becomes of an instance while mcpd, or the engine that its container is in, is away.

use jiff::Timestamp;

use super::transitions::words_of_exit;
use super::{Exit, Instance, Phase, Sight};
use crate::backoff::Schedule;
use crate::event::{EventDraft, bounded};
use crate::server::Revision;

/// Whether what ran could outlive the mcpd that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// A process of the host: it ended with mcpd.
    Ends,
    /// A container: it may run still.
    MayLive,
}

impl Instance {
    /// mcpd itself ended while this instance lived: no failed attempt, and an attempt is due at once
    /// (behaviour 5.7). A retry time is cut to the longest delay (4.8), and a stop under way goes on. What may
    /// have lived on is a restart only once it turns out that it has not ([`Self::missed_exit`]).
    pub fn interrupted(mut self, survival: Survival, schedule: &Schedule, now: Timestamp) -> Self {
        match &mut self.phase {
            Phase::Starting => {}
            Phase::Failed(failed) => failed.retry_at = schedule.cut(failed.retry_at, now),
            Phase::Stopping(stopping) => {
                stopping.retry_at = now;
                // Where it is has to be known until it is proved gone.
                self.left_running |= survival == Survival::MayLive;
            }
            Phase::Running(_) => {
                self.events.push(EventDraft::normal("Interrupted", "mcpd was restarted"), now);
                match survival {
                    Survival::Ends => self.restarts = self.restarts.saturating_add(1),
                    Survival::MayLive => self.left_running = true,
                }
                self.phase = Phase::Starting;
            }
        }
        self.settle(now)
    }

    /// It turned out to run since `since`, started with `revision`, and was taken over (behaviour 5.8). It is no
    /// other run than before, so nothing is counted.
    pub fn adopted(mut self, revision: Revision, since: Timestamp, now: Timestamp) -> Self {
        if self.phase != Phase::Starting {
            return self;
        }
        self.revision = revision;
        // Without all of them it would not have been started.
        self.secrets = super::Secrets::Resolved;
        let words = format!("Taken over as it runs, since {since:.0}");
        self.runs(EventDraft::normal("Adopted", words), now)
    }

    /// What ran when mcpd ended does not any more, and nobody can tell whether it ended by itself or with the
    /// machine: no failed attempt, and the attempt under way goes on (behaviour 5.7).
    pub fn missed_exit(mut self, exit: Exit, now: Timestamp) -> Self {
        if std::mem::take(&mut self.left_running) {
            self.restarts = self.restarts.saturating_add(1);
            self.events.push(EventDraft::warning("Exited", format!("{exit} while mcpd was away")), now);
        }
        self.settle(now)
    }

    /// It ended by itself when it was greeted a second time, as some servers do: as good as a refusal, so that it is
    /// no failed attempt either, and the next one is due at once (behaviour 7.2).
    pub fn exited_when_greeted_again(mut self, exit: Exit, stderr_tail: &str, now: Timestamp) -> Self {
        if matches!(self.phase, Phase::Running(_)) {
            let words = format!("it took no second handshake: {}", words_of_exit(exit, stderr_tail));
            self.events.push(EventDraft::warning("Exited", words), now);
            self.restarts = self.restarts.saturating_add(1);
            self.phase = Phase::Starting;
        }
        self.settle(now)
    }

    /// The runtime does not answer: whether it runs is not known any more. Said once, however often it is told.
    pub fn lost_sight(mut self, reason: String, now: Timestamp) -> Self {
        if let Phase::Running(running) = &mut self.phase
            && running.sight == Sight::Seen
        {
            let reason = bounded(reason);
            self.events.push(EventDraft::warning(super::RUNTIME_UNREACHABLE, reason.clone()), now);
            running.sight = Sight::Lost { since: now, reason };
        }
        self.settle(now)
    }

    /// The runtime answers again; what it then says of the instance comes as an observation of its own.
    pub fn sighted(mut self, now: Timestamp) -> Self {
        if let Phase::Running(running) = &mut self.phase
            && running.sight != Sight::Seen
        {
            self.events.push(EventDraft::normal("RuntimeReachable", "the runtime answers again"), now);
            running.sight = Sight::Seen;
        }
        self.settle(now)
    }
}
