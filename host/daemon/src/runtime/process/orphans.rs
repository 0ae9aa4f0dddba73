//! Ends what a guardian left that was itself killed: the one case in which a tree has nobody else.
//!
//! mcpd is a subreaper, so such orphans become its children. tokio reaps only the children it started, by
//! their numbers; the orphans are reaped here, by theirs.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getsid};
use tokio::process::Child;

use super::procfs::{self, Entry, Stamp};

/// The guardians that this process started and has not reaped; one set, as there is one process.
static GUARDS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Knows which children of mcpd are guardians.
pub(super) struct Guards;

impl Guards {
    /// Starts a guardian and registers it before anybody can take it for an orphan. One at a time: forks of
    /// one process wait for each other in the kernel anyway.
    pub(super) fn register(spawn: impl FnOnce() -> io::Result<(Child, i32)>) -> io::Result<(Child, i32)> {
        let mut guards = GUARDS.lock().unwrap_or_else(PoisonError::into_inner);
        let (child, pid) = spawn()?;
        guards.insert(pid);
        Ok((child, pid))
    }

    /// Forgets a guardian that is to be reaped now.
    pub(super) fn forget(pid: i32) {
        GUARDS.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
    }
}

/// Makes this process the parent of orphans below it.
pub(super) fn adopt() -> io::Result<()> {
    Ok(nix::sys::prctl::set_child_subreaper(true)?)
}

/// Kills what is left of the session of a guardian that is gone but not reaped yet, and every orphan; gives
/// the processes that are left. To be called again until there are none.
pub(super) fn kill_left(guardian: i32) -> Vec<i32> {
    let table = procfs::table();
    let mut left: Vec<Entry> = table.iter().copied().filter(|entry| entry.session == guardian).collect();
    let orphans = orphans(&table);
    left.extend(procfs::descendants(&table, &orphans));
    left.extend(table.iter().copied().filter(|entry| orphans.contains(&entry.pid)));
    left.retain(|entry| entry.pid != guardian && !is_reaped(*entry));
    kill_all(&left)
}

/// Kills what is left of a run of an earlier mcpd; gives the processes that are left.
///
/// Its guardian is gone, so what started a session of its own cannot be told from a stranger any more and is
/// left alone; all else is in the guardian's session, and no other session gets its number while it has
/// members.
pub(super) fn kill_recorded(guardian: Stamp, server: Stamp) -> Vec<i32> {
    let is_ours = |entry: &Entry| {
        entry.start >= guardian.start
            && (entry.session == guardian.pid || (entry.pid, entry.start) == (server.pid, server.start))
    };
    let mut table = procfs::table();
    if table.iter().any(|entry| entry.pid == guardian.pid && entry.start != guardian.start) {
        table.retain(|entry| entry.session != guardian.pid);
    }
    table.retain(|entry| is_ours(entry) && !entry.is_zombie);
    kill_all(&table)
}

/// Children of this process that are neither its guardians nor of its own session: nothing else that mcpd
/// starts leaves its session.
fn orphans(table: &[Entry]) -> Vec<i32> {
    let Ok(session) = getsid(None) else { return Vec::new() };
    let guards = GUARDS.lock().unwrap_or_else(PoisonError::into_inner);
    let me = Pid::this().as_raw();
    table
        .iter()
        .filter(|entry| {
            entry.parent == me && entry.session != session.as_raw() && !guards.contains(&entry.pid)
        })
        .map(|entry| entry.pid)
        .collect()
}

/// Reaps a zombie that is ours to reap; one that is not yet is left to its parent, and counts as there.
fn is_reaped(entry: Entry) -> bool {
    entry.is_zombie
        && matches!(waitpid(Pid::from_raw(entry.pid), Some(WaitPidFlag::WNOHANG)), Ok(status) if status.pid().is_some())
}

fn kill_all(entries: &[Entry]) -> Vec<i32> {
    for entry in entries {
        // One that ended by itself in between is what was wanted.
        let _ = kill(Pid::from_raw(entry.pid), Signal::SIGKILL);
    }
    entries.iter().map(|entry| entry.pid).collect()
}
