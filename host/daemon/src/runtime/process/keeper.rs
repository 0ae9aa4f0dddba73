//! Keeps one run: starts its guardian, hears its reports, publishes the exit, and says when all is gone.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcpd_core::name::InstanceId;
use mcpd_core::secret::SecretValue;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::guard::wire::{Failure, Order, Report, Word};
use super::handle::Recorded;
use super::mark;
use super::orphans::{self, Guards};
use super::procfs::Stamp;
use super::run::RunState;
use super::spawn::{Spawned, spawn};
use super::{Clock, stderr};
use crate::runtime::log::LogBook;
use crate::runtime::{Exit, RuntimeEvent, Started, Streams};

/// How long the end of stderr is waited for before an exit is published. What the server left is killed at
/// its exit, so it comes at once; an exit has to be known within 200 ms in any case.
const STDERR_DRAIN: Duration = Duration::from_millis(100);
/// How often something is looked at that sends no event, at first.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(1);
/// How often it is looked at where it takes long, such as a process that waits for a dead disk.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);

/// What a keeper is given.
pub(super) struct Assignment {
    pub(super) instance: InstanceId,
    pub(super) run: u64,
    pub(super) program: PathBuf,
    pub(super) order: Order,
    pub(super) env: BTreeMap<String, SecretValue>,
    pub(super) book: Arc<LogBook>,
    pub(super) words: mpsc::Receiver<Word>,
    pub(super) state: watch::Sender<RunState>,
    pub(super) events: broadcast::Sender<RuntimeEvent>,
    pub(super) now: Clock,
    pub(super) tasks: TaskTracker,
}

/// Why a run did not come to be.
#[derive(Debug)]
pub(super) enum StartFailure {
    /// The guardian could not be executed.
    Guardian(io::Error),
    /// The server could not be executed.
    Refused(Failure),
    /// It ended before it was running.
    Ended,
}

/// Tells the one who asked for the start.
pub(super) type Answer = oneshot::Sender<Result<Started, StartFailure>>;

/// Keeps the run from its start until it is proved gone.
pub(super) async fn keep(assignment: Assignment, answer: Answer) {
    let Assignment { program, order, env, .. } = &assignment;
    let (program, order, env) = (program.clone(), order.clone(), env.clone());
    let spawned = tokio::task::spawn_blocking(move || spawn(&program, &order, &env));
    match spawned.await.map_err(io::Error::other).flatten() {
        Ok(spawned) => Keeper::new(assignment, spawned, answer).keep().await,
        Err(error) => {
            assignment.state.send_replace(RunState::Gone);
            let _ = answer.send(Err(StartFailure::Guardian(error)));
        }
    }
}

struct Keeper {
    assignment: Assignment,
    guardian: Child,
    stamp: Stamp,
    reports: Lines<BufReader<OwnedReadHalf>>,
    control: OwnedWriteHalf,
    drained: JoinHandle<()>,
    start: Option<Start>,
    failure: StartFailure,
    is_exit_due: bool,
}

/// What the one who asked for the start is waiting for.
struct Start {
    answer: Answer,
    stdin: OwnedFd,
    stdout: OwnedFd,
}

impl Keeper {
    fn new(assignment: Assignment, spawned: Spawned, answer: Answer) -> Self {
        let Spawned { guardian, pid, control, stdin, stdout, stderr } = spawned;
        let (reports, control) = control.into_split();
        let drained = assignment.tasks.spawn(stderr::pump(stderr, assignment.book.clone()));
        let start = Some(Start { answer, stdin, stdout });
        let reports = BufReader::new(reports).lines();
        let failure = StartFailure::Ended;
        // Not reaped yet, so it has its entry in the table whatever became of it.
        let stamp = Stamp::of(pid).unwrap_or(Stamp { pid, start: 0 });
        Self { assignment, guardian, stamp, reports, control, drained, start, failure, is_exit_due: false }
    }

    async fn keep(mut self) {
        self.listen().await;
        let is_proved = self.guardian_end().await;
        if self.is_exit_due {
            self.publish(Exit::Unseen).await;
        }
        if !is_proved {
            tracing::warn!(instance = %self.assignment.instance, "a guardian was killed; ending what it left");
            self.end_orphans().await;
            // A mark that stays is removed by the next sweep.
            let _ = mark::clear(&self.assignment.order.lock, self.stamp);
        }
        Guards::forget(self.stamp.pid);
        let _ = self.guardian.wait().await;
        self.drain().await;
        self.drained.abort();
        self.assignment.state.send_replace(RunState::Gone);
        if let Some(start) = self.start.take() {
            let _ = start.answer.send(Err(self.failure));
        }
    }

    /// Until the guardian closes its socket, or nobody holds this run any more.
    async fn listen(&mut self) {
        loop {
            tokio::select! {
                line = self.reports.next_line() => match line {
                    Ok(Some(line)) => self.hear(&line).await,
                    Ok(None) | Err(_) => return,
                },
                word = self.assignment.words.recv() => match word {
                    Some(word) => self.say(word).await,
                    None => return,
                },
                () = given_up(&mut self.start) => {
                    self.start = None;
                    self.say(Word::Kill).await;
                }
            }
        }
    }

    async fn hear(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Report::Running(server)) => self.running(server).await,
            // Answered at the end: a start that failed has left nothing.
            Ok(Report::Failed(failure)) => self.failure = StartFailure::Refused(failure),
            Ok(Report::Exited(exit)) => self.publish(exit).await,
            Err(error) => tracing::error!(%error, line, "a guardian speaks nonsense"),
        }
    }

    async fn running(&mut self, server: Stamp) {
        self.is_exit_due = true;
        self.assignment.state.send_replace(RunState::Running);
        let Some(Start { answer, stdin, stdout }) = self.start.take() else { return };
        let started = Started {
            run: self.assignment.run,
            handle: Recorded::new(self.stamp, server).to_handle(),
            pid: server.pid.try_into().ok(),
            container: None,
            streams: Streams::Pipes { stdin, stdout },
        };
        if answer.send(Ok(started)).is_err() {
            self.say(Word::Kill).await;
        }
    }

    async fn publish(&mut self, exit: Exit) {
        self.is_exit_due = false;
        self.assignment.state.send_replace(RunState::Exited);
        let at = (self.assignment.now)();
        self.drain().await;
        // Without a subscriber nobody wants to know.
        let _ = self.assignment.events.send(RuntimeEvent::Exited {
            instance: self.assignment.instance.clone(),
            run: self.assignment.run,
            exit,
            at,
            stderr_tail: self.assignment.book.stderr_tail(),
        });
    }

    async fn drain(&mut self) {
        if !self.drained.is_finished() {
            let _ = timeout(STDERR_DRAIN, &mut self.drained).await;
        }
    }

    async fn say(&mut self, word: Word) {
        // Where the guardian is gone, the end of its reports says so.
        let _ = self.control.write_all(&[word.byte()]).await;
    }

    /// Waits until the guardian is a zombie, whose number nobody else can have; whether it ended with the
    /// proof that its tree is gone. A stop that waits for this has its own deadline.
    async fn guardian_end(&mut self) -> bool {
        let _ = self.control.shutdown().await;
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        let mut pause = LOOK_EVERY_MIN;
        loop {
            match waitid(Id::Pid(Pid::from_raw(self.stamp.pid)), flags) {
                Ok(WaitStatus::StillAlive) => {}
                Ok(status) => return matches!(status, WaitStatus::Exited(_, 0)),
                Err(_) => return false,
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        }
    }

    async fn end_orphans(&self) {
        let mut pause = LOOK_EVERY_MIN;
        while !orphans::kill_left(self.stamp.pid).is_empty() {
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        }
    }
}

/// Resolves when the one who asked for the start went away before the answer.
async fn given_up(start: &mut Option<Start>) {
    match start {
        Some(start) => start.answer.closed().await,
        None => std::future::pending().await,
    }
}
