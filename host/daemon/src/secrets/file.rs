//! The backend that reads files: `DIR/secret/key`, as Kubernetes mounts secrets; read-only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use mcpd_core::env::SecretFailure;
use mcpd_core::name::is_dns_label;
use mcpd_core::secret::SecretValue;
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};
use serde::Deserialize;

use super::{SecretBackend, SecretData, VALUE_BYTES_MAX, is_key, read_only, value_of};
use crate::store::SealedValues;

/// `config` of a backend of type `file`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileConfig {
    /// The folder of the secrets; absolute.
    path: PathBuf,
}

/// A folder of folders of files.
#[derive(Clone, Debug)]
pub(super) struct FileBackend {
    root: PathBuf,
}

impl FileBackend {
    /// # Errors
    /// A sentence about a path that depends on where mcpd was started.
    pub(super) fn new(config: FileConfig) -> Result<Self, String> {
        if !config.path.is_absolute() {
            return Err(format!("path: {} is not absolute", config.path.display()));
        }
        Ok(Self { root: config.path })
    }

    /// File systems may hang; the thread is left to itself when the caller's deadline has passed.
    async fn off_thread<T: Send + 'static>(
        &self,
        read: impl FnOnce(Self) -> Result<T, SecretFailure> + Send + 'static,
    ) -> Result<T, SecretFailure> {
        let backend = self.clone();
        tokio::task::spawn_blocking(move || read(backend))
            .await
            .unwrap_or_else(|error| Err(SecretFailure::Unreachable(error.to_string())))
    }

    fn real_root(&self) -> Result<PathBuf, SecretFailure> {
        self.root.canonicalize().map_err(|error| unreachable(&self.root, &error))
    }

    fn secret_folder(&self, secret: &str) -> Result<PathBuf, SecretFailure> {
        if !is_dns_label(secret) {
            return Err(SecretFailure::NotFound);
        }
        self.inside(&self.root.join(secret), SecretFailure::NotFound)
    }

    /// Where a path leads, as long as that is inside the folder: links of Kubernetes (`..data`) stay
    /// inside, others don't.
    fn inside(&self, path: &Path, absent: SecretFailure) -> Result<PathBuf, SecretFailure> {
        let root = self.real_root()?;
        let real = path.canonicalize().map_err(|error| told_apart(path, &error, absent))?;
        if real.starts_with(&root) && real != root {
            return Ok(real);
        }
        Err(SecretFailure::Refused(format!("{} leads outside of {}", path.display(), self.root.display())))
    }

    fn read_now(&self, secret: &str, key: &str) -> Result<SecretValue, SecretFailure> {
        let folder = self.secret_folder(secret)?;
        if !is_key(key) {
            return Err(SecretFailure::KeyNotFound);
        }
        let path = self.inside(&folder.join(key), SecretFailure::KeyNotFound)?;
        let mut bytes = read_regular(&path)?;
        trim_newline(&mut bytes);
        value_of(bytes)
    }

    fn keys_now(&self, secret: &str) -> Result<Vec<String>, SecretFailure> {
        let folder = self.secret_folder(secret)?;
        let entries = fs::read_dir(&folder).map_err(|e| told_apart(&folder, &e, SecretFailure::NotFound))?;
        let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        // `..data` and its like are how Kubernetes swaps a whole secret at once, and no keys.
        let is_file = |name: &String| folder.join(name).is_file();
        let mut keys: Vec<_> = names.filter(|n| is_key(n) && !n.starts_with("..") && is_file(n)).collect();
        keys.sort_unstable();
        Ok(keys)
    }
}

#[async_trait]
impl SecretBackend for FileBackend {
    async fn read(&self, secret: &str, key: &str) -> Result<SecretValue, SecretFailure> {
        let (secret, key) = (secret.to_owned(), key.to_owned());
        self.off_thread(move |backend| backend.read_now(&secret, &key)).await
    }

    async fn keys(&self, secret: &str) -> Result<Vec<String>, SecretFailure> {
        let secret = secret.to_owned();
        self.off_thread(move |backend| backend.keys_now(&secret)).await
    }

    async fn write(&self, _: &str, _: &SecretData) -> Result<SealedValues, SecretFailure> {
        Err(read_only("the folder of files"))
    }

    async fn delete(&self, _: &str) -> Result<(), SecretFailure> {
        Err(read_only("the folder of files"))
    }

    async fn health(&self) -> Result<(), SecretFailure> {
        self.off_thread(|backend| {
            let root = backend.real_root()?;
            fs::read_dir(&root).map(drop).map_err(|error| unreachable(&root, &error))
        })
        .await
    }
}

/// Reads a file and nothing else: a pipe in its place must not hold the thread.
fn read_regular(path: &Path) -> Result<Vec<u8>, SecretFailure> {
    let failed = |error: io::Error| told_apart(path, &error, SecretFailure::KeyNotFound);
    let file =
        OpenOptions::new().read(true).custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(SecretFailure::Nonsense(format!("{} is not a file", path.display())));
    }
    read_bounded(file).map_err(failed)
}

/// Reads so much that a value that is too long is seen to be.
fn read_bounded(file: File) -> io::Result<Vec<u8>> {
    let newline_and_one_more = 3;
    let limit = u64::try_from(VALUE_BYTES_MAX + newline_and_one_more).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One newline at the end is the editor's and not the secret's.
fn trim_newline(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}

fn told_apart(path: &Path, error: &io::Error, absent: SecretFailure) -> SecretFailure {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => absent,
        io::ErrorKind::PermissionDenied => SecretFailure::Refused(format!("{}: {error}", path.display())),
        _ => unreachable(path, error),
    }
}

fn unreachable(path: &Path, error: &io::Error) -> SecretFailure {
    SecretFailure::Unreachable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
