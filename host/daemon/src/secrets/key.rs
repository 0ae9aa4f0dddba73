//! The key of the sealed values, and the keys that are derived from it.
//!
//! A wrong or missing key is a refusal at start and never an empty value: the store keeps a check value,
//! and a new key is made only where nothing was sealed with an old one.

use std::fmt;
use std::io;
use std::path::PathBuf;

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::data_dir::{DataDir, DataDirError};
use crate::store::{MetaKey, Store, StoreError};

/// Bytes of the key file and of each derived key.
pub(crate) const KEY_BYTES: usize = 32;

/// The block of SHA-256.
const SHA256_BLOCK_BYTES: usize = 64;

/// One key for one purpose.
pub(super) type DerivedKey = Zeroizing<[u8; KEY_BYTES]>;

/// The content of `sealed.key`; wiped on drop.
pub struct SealedKey(Zeroizing<[u8; KEY_BYTES]>);

/// Why there is no key to work with.
#[derive(Debug, Error)]
pub enum KeyError {
    /// Secrets were sealed with a key that is not there any more.
    #[error(
        "the key {path} is missing, but the database holds secrets sealed with it: restore the key from a \
         backup, or delete the database and set the secrets again"
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Secrets were sealed with another key.
    #[error("the key {path} is not the one that the secrets in the database were sealed with")]
    Wrong {
        /// The key file.
        path: PathBuf,
    },
    /// The file is there, but not to be trusted.
    #[error(transparent)]
    File(#[from] DataDirError),
    /// The store does not say whether it holds sealed values.
    #[error("cannot check the key of the sealed secrets")]
    Store(#[from] StoreError),
}

impl SealedKey {
    /// The key of this data folder; makes one where nothing was ever sealed.
    pub async fn unlock(folder: &DataDir, store: &dyn Store) -> Result<Self, KeyError> {
        let is_needed = store.has_sealed_values().await?;
        let key = match folder.find_sealed_key()? {
            Some(bytes) => Self(bytes),
            None if is_needed => return Err(KeyError::Missing { path: folder.sealed_key_path() }),
            None => Self(folder.make_sealed_key()?),
        };
        let known = store.find_meta(MetaKey::SealedKeyCheck).await?;
        let check = key.check_value();
        match known {
            Some(known) if known == check => {}
            Some(_) if is_needed => return Err(KeyError::Wrong { path: folder.sealed_key_path() }),
            _ => store.put_meta(MetaKey::SealedKeyCheck, &check).await?,
        }
        Ok(key)
    }

    /// A fresh key that is kept nowhere, for tests and for what is thrown away.
    pub fn random() -> io::Result<Self> {
        crate::chance::random_bytes().map(Self)
    }

    /// The key for sealing.
    pub(super) fn for_sealing(&self) -> DerivedKey {
        self.derive(b"mcpd sealing v1")
    }

    /// The key for fingerprints.
    pub(super) fn for_fingerprints(&self) -> DerivedKey {
        self.derive(b"mcpd fingerprints v1")
    }

    /// Tells whether two keys are the same, and nothing else about them.
    fn check_value(&self) -> String {
        super::fingerprint::hex(&self.derive(b"mcpd key check v1")[..])
    }

    fn derive(&self, purpose: &[u8]) -> DerivedKey {
        Zeroizing::new(mac(&self.0, &[purpose]))
    }
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedKey(redacted)")
    }
}

/// HMAC-SHA256 over parts, each with its length before it, so that no two lists of parts look the same.
pub(super) fn mac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; KEY_BYTES] {
    // HMAC pads a short key with zeros to the block of its hash; doing so here leaves nothing to fail.
    let mut block = Zeroizing::new([0_u8; SHA256_BLOCK_BYTES]);
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
    for part in parts {
        mac.update(&part.len().to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
