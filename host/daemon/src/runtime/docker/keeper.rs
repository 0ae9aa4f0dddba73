//! Keeps one run: waits for the end of its container, tells it, and removes what is left.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::Fuse;
use jiff::Timestamp;
use mcpd_core::name::InstanceId;
use tokio::time::timeout;

use super::containers;
use super::look::Look;
use super::runs::{Claim, Run, RunState, Sign};
use super::seen::{KILLED, from_code};
use super::site::Site;
use crate::runtime::log::LogBook;
use crate::runtime::{Exit, RuntimeEvent};

/// How long the end of stderr is waited for before an exit is told. The engine sends it before it says that
/// the container ended; an exit has to be known within 200 ms in any case.
const STDERR_DRAIN: Duration = Duration::from_millis(100);

/// How long the engine may take to say why a program was killed. It answers in milliseconds, unless somebody removes
/// the container by force, which holds up the answer until it is gone.
const EXPLAIN_PATIENCE: Duration = Duration::from_millis(80);

/// What keeps a run.
pub(super) struct Keeper {
    pub(super) site: Arc<Site>,
    pub(super) instance: InstanceId,
    pub(super) book: Arc<LogBook>,
    claim: Claim,
}

impl Keeper {
    pub(super) fn new(site: Arc<Site>, instance: InstanceId, book: Arc<LogBook>, claim: Claim) -> Self {
        Self { site, instance, book, claim }
    }

    /// The run.
    pub(super) fn run(&self) -> &Run {
        &self.claim.run
    }

    /// The engine reports it as running.
    pub(super) fn report_running(&self) {
        self.claim.state.send_replace(RunState::Running);
    }

    /// Until its container has ended and is removed, or it is let go.
    pub(super) async fn keep(mut self, container: &str) {
        let run = self.run().clone();
        let (exit, at) = tokio::select! {
            ended = self.ended(container) => ended,
            () = run.until_let_go() => return run.attachment().cancel(),
        };
        self.publish(exit, at).await;
        if let Err(error) = containers::discard(&self.site.engine, container).await {
            // The next attempt, or the scan, finds it by its labels.
            tracing::warn!(instance = %self.instance, %error, "an ended container stays for now");
        }
    }

    /// How it ended, and when that was noticed. What an event tells waits for no look that is under way.
    async fn ended(&mut self, container: &str) -> (Exit, Timestamp) {
        let (mut is_out_of_memory, mut at) = (false, self.site.engine.now());
        let mut look = pin!(Fuse::terminated());
        loop {
            let exit = tokio::select! {
                biased;
                Some(sign) = self.claim.signs.recv() => {
                    at = self.site.engine.now();
                    match sign {
                        Sign::OutOfMemory => is_out_of_memory = true,
                        Sign::Died(Some(KILLED)) if is_out_of_memory => return (Exit::OutOfMemory, at),
                        Sign::Died(code) => return (self.explain(container, code).await, at),
                        Sign::Look => look.set(self.look(container).ended().fuse()),
                    }
                    continue;
                }
                exit = &mut look => exit,
            };
            match exit {
                // Its end may have been told while it was looked for.
                Some(Exit::Unseen) => return (from_code(self.told_code()), at),
                Some(exit) => return (exit, at),
                None => {}
            }
        }
    }

    /// The exit that an event told of. Only of a program that was killed more can be known, and not where the
    /// engine is busy with the removal of the container.
    async fn explain(&self, container: &str, code: Option<i64>) -> Exit {
        if code == Some(KILLED)
            && let Ok(Ok(Some(seen))) =
                timeout(EXPLAIN_PATIENCE, containers::inspect(&self.site.engine, container)).await
        {
            return seen.exit.unwrap_or_else(|| from_code(code));
        }
        from_code(code)
    }

    fn look(&self, container: &str) -> Look {
        let (site, book) = (Arc::clone(&self.site), Arc::clone(&self.book));
        Look {
            site,
            instance: self.instance.clone(),
            run: self.run().clone(),
            book,
            container: container.to_owned(),
        }
    }

    fn told_code(&mut self) -> Option<i64> {
        let signs = std::iter::from_fn(|| self.claim.signs.try_recv().ok());
        signs.filter_map(|sign| if let Sign::Died(code) = sign { code } else { None }).last()
    }

    async fn publish(&self, exit: Exit, at: Timestamp) {
        let _ = timeout(STDERR_DRAIN, self.run().attachment().cancelled()).await;
        // Without a subscriber nobody wants to know.
        let _ = self.site.events.send(RuntimeEvent::Exited {
            instance: self.instance.clone(),
            run: self.run().number,
            exit,
            at,
            stderr_tail: self.book.stderr_tail(),
        });
        self.run().mark_told();
        self.claim.state.send_replace(RunState::Exited);
    }
}

#[cfg(test)]
mod tests {
    use mcpd_core::secret::Redactor;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::runtime::docker::DockerConfig;
    use crate::runtime::docker::create::tests::config;
    use crate::runtime::docker::scripted::{Scripted, Turn, json};

    #[tokio::test]
    async fn an_exit_is_told_while_the_log_of_a_server_over_http_waits_for_the_engine() {
        let running = r#"{"Id": "0123", "State": {"Running": true}, "NetworkSettings":
            {"Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4000"}]}}}"#;
        let hangs = || Turn::SayAndHang(Vec::new());
        let engine = Scripted::new([Turn::Say(json("200 OK", running)), hangs(), hangs()]);
        let endpoint = engine.docker.endpoint().clone();
        let site = Arc::new(Site::new(DockerConfig { endpoint, ..config() }));
        let mut events = site.events.subscribe();
        let keeper = site.claim(&InstanceId::new("a"), Redactor::default()).unwrap();
        let (run, broken) = (keeper.run().clone(), CancellationToken::new());
        broken.cancel();
        run.replace_attachment(broken);
        run.sign(Sign::Look);
        let died_in_the_attach = async {
            while engine.asked().len() < 2 {
                tokio::task::yield_now().await;
            }
            run.sign(Sign::Died(Some(3)));
            events.recv().await.unwrap()
        };
        let told = tokio::select! {
            () = keeper.keep("0123") => panic!("its container is not removed"),
            told = timeout(Duration::from_secs(5), died_in_the_attach) => told.unwrap(),
        };
        assert!(matches!(told, RuntimeEvent::Exited { exit: Exit::Code(3), .. }), "{told:?}");
    }
}
