//! The server's tree as its guardian sees it: everything that descends from the guardian.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::super::super::Exit;
use super::super::procfs;

/// What reaping found.
pub(super) struct Reaped {
    /// How the server ended, where this was its turn.
    pub(super) server: Option<Exit>,
    /// The kernel's word: no child is left, and so no descendant, since orphans become children.
    pub(super) is_all_gone: bool,
}

/// Reaps every child that has ended.
pub(super) fn reap(server: Pid) -> Reaped {
    let mut reaped = Reaped { server: None, is_all_gone: false };
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == server => reaped.server = Some(Exit::Code(code)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == server => {
                reaped.server = Some(Exit::Signal(signal as i32));
            }
            Ok(WaitStatus::StillAlive) => return reaped,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => {
                reaped.is_all_gone = true;
                return reaped;
            }
        }
    }
}

/// Kills all descendants that can be seen. Some may be born meanwhile, so it is called until none is left.
///
/// The server's group goes first and at once, which no fork can outrun; its number means that group only as
/// long as one of its members is ours.
pub(super) fn kill_all(server: Pid) {
    let descendants = procfs::descendants(&procfs::table(), &[Pid::this().as_raw()]);
    if descendants.iter().any(|entry| entry.group == server.as_raw()) {
        // One that ended by itself in between is what was wanted.
        let _ = killpg(server, Signal::SIGKILL);
    }
    for entry in descendants.iter().filter(|entry| !entry.is_zombie) {
        let _ = kill(Pid::from_raw(entry.pid), Signal::SIGKILL);
    }
}
