//! Ends what an earlier mcpd left, and proves it, before anything is started.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use mcpd_core::name::InstanceId;
use tokio::time::{sleep, timeout};

use super::folder::failed;
use super::handle::Recorded;
use super::mark;
use super::orphans::kill_recorded;
use crate::runtime::RuntimeError;

/// How long the guardians of an earlier mcpd have to end their trees by themselves. They need milliseconds;
/// on a machine that is starting everything at once, some seconds.
pub const GUARDIANS_END: Duration = Duration::from_secs(10);
/// How long what is killed may take to be gone.
const KILLED_END: Duration = Duration::from_secs(5);
/// How often it is looked at whether the lock is free and the killed are gone.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A recorded run of an instance.
pub(super) type Leftover = (InstanceId, Recorded);

/// The instances of which something is still there.
pub(super) fn present(recorded: &[Leftover]) -> Vec<InstanceId> {
    let alive = |run: &Recorded| run.guardian.is_alive() || run.server.is_alive();
    recorded.iter().filter(|(_, run)| alive(run)).map(|(instance, _)| instance.clone()).collect()
}

/// Waits until no guardian is left, kills what was recorded where that takes longer than `patience`, and
/// then whatever guardians left that were themselves killed.
///
/// Gives the lock: as long as it is held, no guardian of an earlier mcpd starts anything.
pub(super) async fn end_all(
    lock: &Path,
    recorded: &[Leftover],
    patience: Duration,
) -> Result<File, RuntimeError> {
    let file = File::options().append(true).create(true).open(lock);
    let file = file.map_err(|source| failed("open", lock, source))?;
    if !is_locked_within(&file, patience).await {
        tracing::warn!("guardians of an earlier mcpd do not end; killing what was recorded");
        kill_all_recorded(lock, recorded).await?;
        if !is_locked_within(&file, patience.min(KILLED_END)).await {
            return Err(RuntimeError::LeftBehind { pids: holders(&file) });
        }
    }
    kill_all_recorded(lock, recorded).await?;
    mark::clear_all(lock).map_err(|source| failed("clear the marks beside", lock, source))?;
    Ok(file)
}

async fn is_locked_within(file: &File, limit: Duration) -> bool {
    let locked = async {
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(limit, locked).await.is_ok()
}

async fn kill_all_recorded(lock: &Path, recorded: &[Leftover]) -> Result<(), RuntimeError> {
    let mut left = kill_round(lock, recorded);
    let gone = async {
        while !left.is_empty() {
            sleep(LOOK_EVERY).await;
            left = kill_round(lock, recorded);
        }
    };
    let is_gone = timeout(KILLED_END, gone).await.is_ok();
    if is_gone { Ok(()) } else { Err(RuntimeError::LeftBehind { pids: left }) }
}

fn kill_round(lock: &Path, recorded: &[Leftover]) -> Vec<i32> {
    let unproved = recorded.iter().filter(|(_, run)| mark::is_set(lock, run.guardian));
    unproved.flat_map(|(_, run)| kill_recorded(run.guardian, run.server)).collect()
}

/// The guardians that hold the lock, from proc(5), `/proc/locks`; for the message, so empty where unreadable.
fn holders(file: &File) -> Vec<i32> {
    let Ok(inode) = file.metadata().map(|metadata| metadata.ino()) else { return Vec::new() };
    let table = fs::read_to_string("/proc/locks").unwrap_or_default();
    table.lines().filter_map(|line| holder(line, inode)).collect()
}

/// Such as `1: FLOCK  ADVISORY  READ 1234 08:01:5678 0 EOF`.
fn holder(line: &str, inode: u64) -> Option<i32> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let file = fields.get(5)?.rsplit(':').next()?;
    (fields.get(1) == Some(&"FLOCK") && file.parse() == Ok(inode)).then(|| fields.get(4)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holders_of_a_lock_are_read_from_the_table() {
        assert_eq!(holder("1: FLOCK  ADVISORY  READ 1234 08:01:5678 0 EOF", 5678), Some(1234));
        assert_eq!(holder("1: FLOCK  ADVISORY  READ 1234 08:01:5678 0 EOF", 78), None);
        assert_eq!(holder("2: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF", 5678), None);
    }
}
