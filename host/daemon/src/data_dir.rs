//! The data folder: the one place where mcpd keeps things, private, and held by one mcpd at a time.
//!
//! | name | holds |
//! |---|---|
//! | `mcpd.lock` | the lock, and the pid of who holds it |
//! | `mcpd.db` | the store |
//! | `sealed.key` | 32 bytes; what the sealed secrets are worth |
//! | `admin.token` | the bearer token of the API |
//! | `daemon.json` | URL and pid while mcpd serves |
//! | `compiled/` | compiled probes |
//! | `run/` | working folders of what runs |

mod private;

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::chance::random_bytes;

/// Bytes of `sealed.key` and of chance in `admin.token`.
const KEY_BYTES: usize = 32;

/// A token that a person put there must be this long at least: it guards everything.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// Nothing in the small files comes near this.
const SMALL_FILE_BYTES_MAX: usize = 4096;

/// The data folder, held until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Gives the folder to the next mcpd when it is dropped.
    _lock: Flock<File>,
}

/// What `daemon.json` says to programs of the same user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daemon {
    /// Where the API is.
    pub url: String,
    /// The process that serves it.
    pub pid: u32,
}

/// Why the data folder, or a file in it, can't be used.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// Another mcpd holds it.
    #[error("the data folder {path} is in use by another mcpd{holder}: stop it, or use another data folder")]
    Locked {
        /// The folder.
        path: PathBuf,
        /// ` (pid 17)`, or nothing where the holder has not said so yet.
        holder: String,
    },
    /// It is not private, or not ours.
    #[error("{path} {problem}")]
    Untrusted {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, as the rest of the sentence.
        problem: String,
    },
    /// The system refuses.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

impl DataDir {
    /// Creates the folder where it is not there (mode 0700), and takes its lock.
    ///
    /// # Errors
    /// [`DataDirError::Locked`] when another mcpd holds it; [`DataDirError::Untrusted`] when it is a link,
    /// belongs to somebody else, or others may write to it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        make_folder(path)?;
        let path = path.canonicalize().map_err(failed("open", path))?;
        let lock = take_lock(&path)?;
        for name in ["compiled", "run"] {
            make_folder(&path.join(name))?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// The folder itself, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store's file.
    pub fn database(&self) -> PathBuf {
        self.path.join("mcpd.db")
    }

    /// Compiled probes; mode 0700.
    pub fn compiled(&self) -> PathBuf {
        self.path.join("compiled")
    }

    /// Working folders of what runs; mode 0700.
    pub fn run(&self) -> PathBuf {
        self.path.join("run")
    }

    /// The bearer token of the API: the one that is there, or a new one.
    pub fn admin_token(&self) -> Result<Zeroizing<String>, DataDirError> {
        let path = self.path.join("admin.token");
        if let Some(bytes) = private::read(&path, SMALL_FILE_BYTES_MAX)? {
            return token_of(&bytes)
                .ok_or_else(|| untrusted(&path, "holds no token: delete it for a new one"));
        }
        let chance = random_bytes::<KEY_BYTES>().map_err(failed("find chance for", &path))?;
        let token = Zeroizing::new(URL_SAFE_NO_PAD.encode(*chance));
        private::write(&path, format!("{}\n", *token).as_bytes())?;
        Ok(token)
    }

    /// Where the key of the sealed secrets is.
    pub fn sealed_key_path(&self) -> PathBuf {
        self.path.join("sealed.key")
    }

    /// The key of the sealed secrets, if there is one.
    ///
    /// # Errors
    /// [`DataDirError::Untrusted`] when others may read it or when it is not 32 bytes long.
    pub fn find_sealed_key(&self) -> Result<Option<Zeroizing<[u8; KEY_BYTES]>>, DataDirError> {
        let path = self.sealed_key_path();
        let Some(bytes) = private::read(&path, SMALL_FILE_BYTES_MAX)? else { return Ok(None) };
        match <[u8; KEY_BYTES]>::try_from(bytes.as_slice()) {
            Ok(key) => Ok(Some(Zeroizing::new(key))),
            Err(_) => Err(untrusted(&path, &format!("holds {} bytes and not {KEY_BYTES}", bytes.len()))),
        }
    }

    /// Makes a new key of the sealed secrets.
    pub fn make_sealed_key(&self) -> Result<Zeroizing<[u8; KEY_BYTES]>, DataDirError> {
        let path = self.sealed_key_path();
        let key = random_bytes::<KEY_BYTES>().map_err(failed("find chance for", &path))?;
        private::write(&path, &*key)?;
        Ok(key)
    }

    /// Tells programs of the same user where the API is.
    pub fn publish(&self, daemon: &Daemon) -> Result<(), DataDirError> {
        let path = self.path.join("daemon.json");
        let json = serde_json::to_vec(daemon).map_err(|error| failed("write", &path)(error.into()))?;
        private::write(&path, &json)
    }

    /// Takes [`Self::publish`] back, on a clean stop.
    pub fn withdraw(&self) -> Result<(), DataDirError> {
        let path = self.path.join("daemon.json");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}

fn make_folder(path: &Path) -> Result<(), DataDirError> {
    let outcome = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let metadata = path.symlink_metadata();
    // What is there already may be something else than a folder: that is said first.
    let metadata = match (outcome, metadata) {
        (_, Ok(metadata)) => metadata,
        (Err(error), _) | (Ok(()), Err(error)) => return Err(failed("create", path)(error)),
    };
    if metadata.is_symlink() {
        return Err(untrusted(path, "is a symbolic link: name the folder itself"));
    }
    if !metadata.is_dir() {
        return Err(untrusted(path, "is not a folder"));
    }
    private::check_owner(path, &metadata)?;
    if metadata.mode() & 0o022 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(untrusted(path, &format!("may be written by others (mode {mode:o}): make it 700")));
    }
    Ok(())
}

fn take_lock(folder: &Path) -> Result<Flock<File>, DataDirError> {
    let path = folder.join("mcpd.lock");
    let file = private::open_lock(&path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => {
            write_pid(&lock).map_err(failed("write", &path))?;
            Ok(lock)
        }
        Err((file, Errno::EWOULDBLOCK)) => {
            let holder = read_pid(&file).map_or_else(String::new, |pid| format!(" (pid {pid})"));
            Err(DataDirError::Locked { path: folder.to_owned(), holder })
        }
        Err((_, errno)) => Err(failed("lock", &path)(errno.into())),
    }
}

fn write_pid(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(SMALL_FILE_BYTES_MAX as u64).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn token_of(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let is_token = text.len() >= TOKEN_CHARACTERS_MIN && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then(|| Zeroizing::new(text.to_owned()))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    move |source| DataDirError::Io { doing, path, source }
}

fn untrusted(path: &Path, problem: &str) -> DataDirError {
    DataDirError::Untrusted { path: path.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;
