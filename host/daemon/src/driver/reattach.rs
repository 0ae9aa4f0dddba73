//! New streams to a container whose attachment ended while it runs (behaviour 7.2).

use std::time::Duration;

use super::link::Line;
use super::sight;
use crate::runtime::Streams;

/// How long after an attachment ended the next one is tried: time enough for word of an exit, which ends it too.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest time between two tries, each of them one call of the engine.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What came of it.
pub(super) enum Attached {
    /// New streams, over which the server has to be greeted anew.
    Anew(Streams),
    /// The runtime says that the run is over, or that nobody can attach to it a second time.
    Over,
    /// It has ended, or is to end.
    HungUp,
}

/// The waits between attachments that lead nowhere.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    fn next(&mut self) -> Duration {
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(self.tries));
        self.tries = self.tries.saturating_add(1);
        wait.min(LONGEST_WAIT)
    }
}

impl Line {
    /// Tries until the runtime gives new streams, or the run is over. While the engine is away nobody is asked:
    /// the next try is made when it is back. That the connection is gone, in `words`, is told once it is known not
    /// to be an exit, or cannot be known.
    pub(super) async fn reattach(&self, backoff: &mut Backoff, words: String) -> Attached {
        let trying = async {
            let (mut wait, mut untold) = (backoff.next(), Some(words));
            tokio::time::sleep(wait).await;
            if sight::is_lost(&self.cell) {
                self.tell(untold.take());
                self.pause(wait).await;
            }
            while self.is_running() {
                match self.context.runtime.reattach(&self.cell.id, self.run).await {
                    Ok(Some(streams)) => {
                        self.tell(untold.take());
                        return Attached::Anew(streams);
                    }
                    Ok(None) => return Attached::Over,
                    Err(error) => {
                        self.tell(untold.take());
                        self.disconnected(format!("cannot attach to its container anew: {error}"));
                    }
                }
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
                self.pause(wait).await;
            }
            Attached::HungUp
        };
        self.hang_up.run_until_cancelled(trying).await.unwrap_or(Attached::HungUp)
    }

    fn tell(&self, words: Option<String>) {
        if let Some(words) = words {
            self.disconnected(words);
        }
    }

    async fn pause(&self, wait: Duration) {
        let mut returns = self.context.board.watch_returns();
        if sight::is_lost(&self.cell) {
            // The board tells of a return after each instance was told of it.
            let _ = returns.changed().await;
        } else {
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_waits_are_short_and_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    }
}
