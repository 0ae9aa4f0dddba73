//! The engine as it was seen last: every request goes through here, with a deadline, and ends at once where the
//! engine is lost.

use std::time::Duration;

use bollard::errors::Error;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::endpoint::{Docker, Endpoint, connect};
use super::failure::{status, within};
use crate::runtime::{Clock, DOUBT_TIMEOUT, EngineState, RuntimeError, RuntimeKind, Sight};

/// An engine that takes longer than this for a ping is in trouble: what was asked of a server meanwhile may have
/// gone unanswered because of it. An idle engine takes a millisecond.
const PING_SLOW: Duration = Duration::from_secs(1);

/// One engine.
pub(super) struct Engine {
    pub(super) docker: Docker,
    now: Clock,
    view: watch::Sender<View>,
    look: Notify,
}

struct View {
    sight: Sight,
    since: Timestamp,
    /// Until when it was away or slow, where it ever was.
    troubled_until: Option<Timestamp>,
}

impl Engine {
    /// Nothing is asked of it yet.
    pub(super) fn new(endpoint: &Endpoint, now: Clock) -> Self {
        let view = View { sight: Sight::Unneeded, since: now(), troubled_until: None };
        Self { docker: connect(endpoint), now, view: watch::Sender::new(view), look: Notify::new() }
    }

    /// How it was seen last.
    pub(super) fn state(&self) -> EngineState {
        let view = self.view.borrow();
        EngineState { kind: RuntimeKind::Docker, sight: view.sight.clone(), since: view.since }
    }

    /// Whether it answers, as far as is known.
    pub(super) fn is_seen(&self) -> bool {
        matches!(self.view.borrow().sight, Sight::Seen(_))
    }

    /// The time of now.
    pub(super) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Waits for an answer within `limit`, and not at all while the engine is lost.
    pub(super) async fn ask<T>(
        &self,
        doing: &str,
        limit: Duration,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, RuntimeError> {
        // Boxed, as what asks for a container in full takes kilobytes.
        self.attend(within(&self.docker, doing, limit, Box::pin(answer))).await
    }

    /// Like [`Self::ask`]; `None` where the thing in question is not there.
    pub(super) async fn find<T>(
        &self,
        doing: &str,
        limit: Duration,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, RuntimeError> {
        let found = async {
            match answer.await {
                Err(error) if status(&error) == Some(404) => Ok(None),
                answer => answer.map(Some),
            }
        };
        self.ask(doing, limit, found).await
    }

    /// Does what takes several requests with deadlines of their own; ends at once where the engine is lost.
    pub(super) async fn attend<T>(
        &self,
        work: impl Future<Output = Result<T, RuntimeError>>,
    ) -> Result<T, RuntimeError> {
        let outcome = tokio::select! {
            biased;
            away = self.lost() => return Err(away),
            outcome = work => outcome,
        };
        if let Err(RuntimeError::EngineSlow { .. } | RuntimeError::EngineAway { .. }) = outcome {
            self.look.notify_one();
        }
        outcome
    }

    /// Returns once the engine was looked at: it answers, or its words of why not.
    pub(super) async fn looked_at(&self) -> Result<(), RuntimeError> {
        let mut view = self.view.subscribe();
        // The sender lives as long as this.
        let _ = view.wait_for(|view| view.sight != Sight::Unneeded).await;
        self.away().map_or(Ok(()), Err)
    }

    /// Why nothing true can be said of the time since then.
    pub(super) async fn doubt(&self, since: Timestamp) -> Option<String> {
        let was_troubled = self.view.borrow().troubled_until.is_some_and(|until| until >= since);
        match self.ping(DOUBT_TIMEOUT).await {
            Err(error) => Some(error.to_string()),
            Ok(()) if was_troubled => {
                Some(format!("the container engine at {} did not answer for a time", self.docker.endpoint()))
            }
            Ok(()) => None,
        }
    }

    /// Whether it answers within `limit`.
    pub(super) async fn ping(&self, limit: Duration) -> Result<(), RuntimeError> {
        let asked = Instant::now();
        self.ask("reach the container engine", limit, self.docker.ping()).await?;
        if asked.elapsed() > PING_SLOW {
            self.trouble();
        }
        Ok(())
    }

    /// Somebody's request went unanswered: a ping tells why.
    pub(super) async fn asked_to_look(&self) {
        self.look.notified().await;
    }

    /// It answers, and is called this.
    pub(super) fn sighted(&self, name: String) {
        let since = self.now();
        self.view.send_modify(|view| {
            view.troubled_until =
                matches!(view.sight, Sight::Lost(_)).then_some(since).or(view.troubled_until);
            (view.sight, view.since) = (Sight::Seen(name), since);
        });
    }

    /// It does not answer any more; whether that is news. `since` stays that of the first failure.
    pub(super) fn lose(&self, reason: String) -> bool {
        let since = self.now();
        self.view.send_if_modified(|view| {
            let is_news = !matches!(view.sight, Sight::Lost(_));
            view.since = if is_news { since } else { view.since };
            view.sight = Sight::Lost(reason);
            is_news
        })
    }

    fn trouble(&self) {
        let until = self.now();
        self.view.send_modify(|view| view.troubled_until = Some(until));
    }

    /// Resolves when the engine is lost, now or later.
    async fn lost(&self) -> RuntimeError {
        let mut view = self.view.subscribe();
        let _ = view.wait_for(|view| matches!(view.sight, Sight::Lost(_))).await;
        drop(view);
        match self.away() {
            Some(away) => away,
            // Back in this very moment: the request that was given up is made again by whoever wants it.
            None => self.told("it did not answer for a moment".to_owned()),
        }
    }

    fn away(&self) -> Option<RuntimeError> {
        let reason = match &self.view.borrow().sight {
            Sight::Lost(reason) => reason.clone(),
            Sight::Unneeded | Sight::Seen(_) => return None,
        };
        Some(self.told(reason))
    }

    fn told(&self, reason: String) -> RuntimeError {
        RuntimeError::EngineAway { endpoint: self.docker.endpoint().to_string(), reason }
    }
}
