//! The mark of a guardian, a file beside the lock, which it removes when its tree is proved gone.
//!
//! A mark that is left says that the guardian itself was killed. Only then is anything killed by its recorded
//! numbers: those of a guardian that ended well may belong to a stranger by now.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::procfs::Stamp;

/// What a mark's name ends in.
const EXTENSION: &str = "guard";

/// Says that `guardian` has something to guard.
pub(super) fn set(lock: &Path, guardian: Stamp) -> io::Result<()> {
    File::create(path(lock, guardian)).map(drop)
}

/// Says that nothing is left of what `guardian` guarded.
pub(super) fn clear(lock: &Path, guardian: Stamp) -> io::Result<()> {
    match fs::remove_file(path(lock, guardian)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether `guardian` left its mark.
pub(super) fn is_set(lock: &Path, guardian: Stamp) -> bool {
    path(lock, guardian).exists()
}

/// Removes the marks of all guardians: nothing is left of what they guarded.
pub(super) fn clear_all(lock: &Path) -> io::Result<()> {
    let folder = lock.parent().unwrap_or(Path::new("."));
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == EXTENSION) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn path(lock: &Path, guardian: Stamp) -> PathBuf {
    lock.with_file_name(format!("{}-{}.{EXTENSION}", guardian.pid, guardian.start))
}
