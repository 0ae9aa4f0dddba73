//! The folders of the process runtime: one for all, and below it one for each instance without a `cwd`.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::path::{Path, PathBuf};

use mcpd_core::name::InstanceId;

use super::account::Account;
use crate::runtime::RuntimeError;

/// Says that a guardian is there, by a shared lock. No instance is called so: an id has no dot.
const LOCK_FILE: &str = "guards.lock";
/// For mcpd alone.
const MODE_PRIVATE: u32 = 0o700;
/// Others may pass through, to a folder of their own; they cannot list it.
const MODE_PASSAGE: u32 = 0o711;

/// Where instances run that name no folder.
pub(super) struct Folders {
    root: PathBuf,
    account: Option<Account>,
}

impl Folders {
    /// Takes `root`, and makes it where it is not there.
    pub(super) fn open(root: PathBuf, account: Option<Account>) -> Result<Self, RuntimeError> {
        let mode = if account.is_some() { MODE_PASSAGE } else { MODE_PRIVATE };
        make(&root, mode)?;
        Ok(Self { root, account })
    }

    /// The file of the guardians' lock.
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join(LOCK_FILE)
    }

    /// The instance's own folder, made where it is not there, and owned by the user it runs as.
    pub(super) fn prepare(&self, instance: &InstanceId) -> Result<PathBuf, RuntimeError> {
        let path = self.root.join(instance.as_str());
        make(&path, MODE_PRIVATE)?;
        if let Some(account) = &self.account {
            chown(&path, Some(account.uid), Some(account.gid))
                .map_err(|source| failed("hand over", &path, source))?;
        }
        Ok(path)
    }

    /// Removes the instance's own folder with all that is in it.
    pub(super) fn remove(&self, instance: &InstanceId) -> Result<(), RuntimeError> {
        let path = self.root.join(instance.as_str());
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// The instances that have a folder.
    pub(super) fn instances(&self) -> Result<Vec<InstanceId>, RuntimeError> {
        let entries = fs::read_dir(&self.root).map_err(|source| failed("list", &self.root, source))?;
        let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        Ok(folders.filter_map(|entry| Some(InstanceId::new(entry.file_name().to_str()?))).collect())
    }
}

/// The error of something that was done to a folder or file.
pub(super) fn failed(action: &'static str, path: &Path, source: io::Error) -> RuntimeError {
    RuntimeError::Folder { action, path: path.to_owned(), source }
}

fn make(path: &Path, mode: u32) -> Result<(), RuntimeError> {
    let outcome = DirBuilder::new().recursive(true).mode(mode).create(path);
    outcome.map_err(|source| failed("make", path, source))
}
