//! The guardian's loop: one thread, three things to wait for.

use std::fs::File;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt as _, FdMapping};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{self, Pid};

use super::super::{mark, procfs::Stamp};
use super::wire::{Failure, Order, Report, Step, Word};
use super::{EXEC, EXTRA_FD, close_strangers, null, stage_args, take_control, take_extra, tree};

/// Between two rounds of killing; what was killed is reaped on its signal, so this matters only for what was
/// born in between.
const ROUND_MS_FIRST: u16 = 10;
/// Between two rounds where something does not die, such as a process that waits for a dead disk.
const ROUND_MS_MAX: u16 = 1000;
/// The guardian ended without knowing that the tree is gone.
const NOT_PROVED: i32 = 1;

/// Guards one server until its tree is gone; the exit code 0 says that it is.
pub(super) fn run(order: &Order) -> i32 {
    let taken = close_strangers().and_then(|()| take_control());
    let Ok(mut control) = taken else { return NOT_PROVED };
    match Guardian::start(order, &control) {
        Ok(Some(mut guardian)) => {
            let watched = guardian.watch(&mut control);
            watched.and_then(|()| mark::clear(&order.lock, guardian.me)).map_or(NOT_PROVED, |()| 0)
        }
        Ok(None) => 0,
        Err(failure) => {
            report(&mut control, Report::Failed(failure));
            NOT_PROVED
        }
    }
}

struct Guardian {
    me: Stamp,
    server: Stamp,
    signals: SignalFd,
    phase: Phase,
    ending: Ending,
    round_ms: u16,
    /// Held until this process ends: it says that there is something to guard.
    _lock: File,
}

/// How far the server is.
enum Phase {
    /// The pipe ends when the program is executed, or says why it cannot be.
    Starting(PipeReader),
    Running,
    Ended,
}

/// How firmly the tree is being ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// Asked to; what outlives the server has the rest of the grace, which mcpd measures.
    Asked,
    Killing,
}

impl Guardian {
    /// Starts the second stage, or gives `None` where mcpd is gone already.
    fn start(order: &Order, control: &UnixStream) -> Result<Option<Self>, Failure> {
        let guard = |error: io::Error| Failure::new(Step::Guard, error);
        let stdin = take_extra(File::options().read(true)).map_err(guard)?;
        let signals = become_guardian().map_err(|errno| guard(errno.into()))?;
        let lock = File::options().append(true).create(true).open(&order.lock).map_err(guard)?;
        // A next mcpd that holds this lock believes no guardian is there, so none may start anything.
        lock.try_lock_shared().map_err(|error| guard(error.into()))?;
        if is_over(control) {
            return Ok(None);
        }
        let me = Stamp::of(Pid::this().as_raw()).ok_or_else(|| guard(Errno::ESRCH.into()))?;
        mark::set(&order.lock, me).map_err(guard)?;
        let (starting, server) = execute(order, stdin).map_err(guard)?;
        release_streams().map_err(guard)?;
        let (phase, ending) = (Phase::Starting(starting), Ending::No);
        Ok(Some(Self { me, server, signals, phase, ending, round_ms: ROUND_MS_FIRST, _lock: lock }))
    }

    fn watch(&mut self, control: &mut UnixStream) -> io::Result<()> {
        loop {
            let ready = self.wait(control)?;
            if ready.pipe {
                self.conclude_start(control);
            }
            if ready.control {
                self.hear(control);
            }
            while let Ok(Some(_)) = self.signals.read_signal() {}
            if self.reap(control) {
                return Ok(());
            }
            if self.ending == Ending::Killing {
                tree::kill_all(self.server_pid());
            }
        }
    }

    fn wait(&mut self, control: &UnixStream) -> io::Result<Ready> {
        let timeout = match self.ending {
            Ending::Killing => self.next_round(),
            // mcpd may be gone: nothing more is heard once the tree is being killed.
            Ending::No | Ending::Asked => PollTimeout::NONE,
        };
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if self.ending != Ending::Killing {
            fds.push(PollFd::new(control.as_fd(), PollFlags::POLLIN));
        }
        let control_fds = fds.len();
        if let Phase::Starting(pipe) = &self.phase {
            fds.push(PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        Ok(Ready {
            control: fds[1..control_fds].iter().any(is_ready),
            pipe: fds[control_fds..].iter().any(is_ready),
        })
    }

    fn next_round(&mut self) -> PollTimeout {
        let round = self.round_ms;
        self.round_ms = (round * 2).min(ROUND_MS_MAX);
        PollTimeout::from(round)
    }

    /// The pipe spoke or ended: the program runs, or never will.
    fn conclude_start(&mut self, control: &mut UnixStream) {
        let Phase::Starting(pipe) = &mut self.phase else { return };
        let mut words = Vec::new();
        let outcome = match pipe.read_to_end(&mut words) {
            Ok(0) => Report::Running(self.server),
            Ok(_) => Report::Failed(
                serde_json::from_slice(&words).unwrap_or_else(|_| Failure::new(Step::Guard, Errno::EPROTO)),
            ),
            Err(error) => Report::Failed(Failure::new(Step::Guard, error)),
        };
        self.phase = if matches!(outcome, Report::Running(_)) { Phase::Running } else { Phase::Ended };
        report(control, outcome);
    }

    fn hear(&mut self, control: &mut UnixStream) {
        let mut byte = [0_u8];
        let word = match control.read(&mut byte) {
            Ok(1) => Word::parse(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Ok(_) | Err(_) => Some(Word::Kill),
        };
        match word {
            Some(Word::Kill) => self.ending = Ending::Killing,
            Some(Word::Terminate) => self.terminate(),
            None => {}
        }
    }

    fn terminate(&mut self) {
        self.ending = Ending::Asked;
        // The group's number is ours only as long as the server has not been reaped.
        if !matches!(self.phase, Phase::Ended) {
            let _ = killpg(self.server_pid(), Signal::SIGTERM);
        }
    }

    /// Whether nothing is left.
    fn reap(&mut self, control: &mut UnixStream) -> bool {
        let reaped = tree::reap(self.server_pid());
        if let Some(exit) = reaped.server {
            // Both may have come at once; what was executed is reported as running before it ends.
            self.conclude_start(control);
            if matches!(self.phase, Phase::Running) {
                report(control, Report::Exited(exit));
            }
            self.phase = Phase::Ended;
            if self.ending == Ending::No {
                self.ending = Ending::Killing;
            }
        }
        reaped.is_all_gone
    }

    fn server_pid(&self) -> Pid {
        Pid::from_raw(self.server.pid)
    }
}

struct Ready {
    control: bool,
    pipe: bool,
}

/// A session of its own, so that no terminal's signal comes here; the parent of all orphans below; and no
/// signal but the ones of children, so that a TERM to everything in the cgroup leaves the order to mcpd.
fn become_guardian() -> Result<SignalFd, Errno> {
    unistd::setsid()?;
    prctl::set_child_subreaper(true)?;
    SigSet::all().thread_block()?;
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    SignalFd::with_flags(&children, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// From here on only the server holds its streams, so that their ends are seen.
fn release_streams() -> io::Result<()> {
    let null = null()?;
    unistd::dup2_stdout(&null)?;
    Ok(unistd::dup2_stderr(&null)?)
}

/// Whether the other end of the control socket is closed.
fn is_over(control: &UnixStream) -> bool {
    let mut fds = [PollFd::new(control.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_err() || fds[0].any().unwrap_or(true)
}

#[expect(clippy::disallowed_methods, reason = "this is where a guardian starts its server")]
fn execute(order: &Order, stdin: File) -> io::Result<(PipeReader, Stamp)> {
    let (reader, writer) = io::pipe()?;
    let failure = FdMapping { parent_fd: writer.into(), child_fd: EXTRA_FD };
    let child = Command::new("/proc/self/exe")
        .args(stage_args(EXEC, order))
        .stdin(Stdio::from(stdin))
        .process_group(0)
        .fd_mappings(vec![failure])
        .map_err(io::Error::other)?
        .spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // Not reaped yet, so it has its entry in the table whatever became of it.
    let stamp = Stamp::of(pid).ok_or(Errno::ESRCH)?;
    Ok((reader, stamp))
}

fn report(control: &mut UnixStream, report: Report) {
    let mut line = serde_json::to_string(&report).unwrap_or_default();
    line.push('\n');
    // Where mcpd is gone, the next read says so.
    let _ = control.write_all(line.as_bytes());
}
