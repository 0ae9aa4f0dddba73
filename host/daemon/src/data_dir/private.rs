//! Small files that nobody else may read: refused when that is not so, and written whole or not at all.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use zeroize::Zeroizing;

use super::{DataDirError, failed, untrusted};

/// The content of a private file, `None` where there is none.
pub(super) fn read(path: &Path, bytes_max: usize) -> Result<Option<Zeroizing<Vec<u8>>>, DataDirError> {
    let mut options = OpenOptions::new();
    let file = match options.read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    check_private(path, &file.metadata().map_err(failed("open", path))?)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() > bytes_max {
        return Err(untrusted(path, &format!("is longer than {bytes_max} bytes")));
    }
    Ok(Some(bytes))
}

/// Puts a file in the place of what is there, in one step that survives a crash: written beside it,
/// synced, renamed.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let beside = path.with_added_extension("new");
    write_beside(&beside, bytes).map_err(failed("write", &beside))?;
    fs::rename(&beside, path).map_err(failed("replace", path))?;
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// The file of the lock, which stays for ever: removing it would let two hold the lock of two files.
pub(super) fn open_lock(path: &Path) -> Result<File, DataDirError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(O_NOFOLLOW);
    let file = options.open(path).map_err(failed("open", path))?;
    check_owner(path, &file.metadata().map_err(failed("open", path))?)?;
    Ok(file)
}

/// Whether it belongs to the user mcpd runs as.
pub(super) fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), DataDirError> {
    let (owner, us) = (metadata.uid(), nix::unistd::geteuid().as_raw());
    if owner == us {
        return Ok(());
    }
    Err(untrusted(path, &format!("belongs to user {owner}, and mcpd runs as user {us}")))
}

fn check_private(path: &Path, metadata: &Metadata) -> Result<(), DataDirError> {
    check_owner(path, metadata)?;
    if !metadata.is_file() {
        return Err(untrusted(path, "is not a file"));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(untrusted(path, &format!("is open to others (mode {mode:o}): make it 600")));
    }
    Ok(())
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A crash may have left one of an earlier try.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
