//! The built-in backend: values sealed in the store, opened with the key in the data folder.
//!
//! XChaCha20-Poly1305 with a random nonce for each value. The names of secret and key are authenticated
//! with it, so that a ciphertext that was moved to another place in the database does not open.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use mcpd_core::env::SecretFailure;
use mcpd_core::secret::SecretValue;

use super::{SealedKey, SecretBackend, SecretData, value_of};
use crate::chance::random_bytes;
use crate::store::{SealedValue, SealedValues, Store, StoreError};

/// Bytes of an XChaCha20 nonce; long enough to be drawn at random for ever.
const NONCE_BYTES: usize = 24;

/// The sealed values of the store.
pub(super) struct Sealed {
    store: Arc<dyn Store>,
    cipher: XChaCha20Poly1305,
}

impl Sealed {
    pub(super) fn new(store: Arc<dyn Store>, key: &SealedKey) -> Self {
        Self { store, cipher: XChaCha20Poly1305::new((&*key.for_sealing()).into()) }
    }

    fn seal(&self, secret: &str, key: &str, value: &SecretValue) -> Result<SealedValue, SecretFailure> {
        let failed = |words: String| SecretFailure::Unreachable(format!("cannot seal the value: {words}"));
        let nonce = random_bytes::<NONCE_BYTES>().map_err(|error| failed(error.to_string()))?;
        let context = context(secret, key);
        let payload = Payload { msg: value.expose().as_bytes(), aad: &context };
        let ciphertext = self.cipher.encrypt(XNonce::from_slice(&*nonce), payload);
        let ciphertext = ciphertext.map_err(|error| failed(error.to_string()))?;
        Ok(SealedValue { key: key.to_owned(), nonce: nonce.to_vec(), ciphertext })
    }

    fn open(&self, secret: &str, sealed: &SealedValue) -> Result<SecretValue, SecretFailure> {
        let unopened = || {
            let words = "the sealed value does not open: it was altered, moved, or sealed with another key";
            SecretFailure::Nonsense(words.to_owned())
        };
        if sealed.nonce.len() != NONCE_BYTES {
            return Err(unopened());
        }
        let context = context(secret, &sealed.key);
        let payload = Payload { msg: &sealed.ciphertext, aad: &context };
        let plain = self.cipher.decrypt(XNonce::from_slice(&sealed.nonce), payload);
        value_of(plain.map_err(|_| unopened())?)
    }

    /// Why there is no value: the key is missing, or the whole secret.
    async fn absent(&self, secret: &str) -> SecretFailure {
        match self.store.find_secret(secret).await {
            Ok(Some(_)) => SecretFailure::KeyNotFound,
            Ok(None) => SecretFailure::NotFound,
            Err(error) => unreachable(&error),
        }
    }
}

#[async_trait]
impl SecretBackend for Sealed {
    async fn read(&self, secret: &str, key: &str) -> Result<SecretValue, SecretFailure> {
        let found = self.store.find_sealed_value(secret, key).await;
        match found.map_err(|error| unreachable(&error))? {
            Some(sealed) => self.open(secret, &sealed),
            None => Err(self.absent(secret).await),
        }
    }

    async fn keys(&self, secret: &str) -> Result<Vec<String>, SecretFailure> {
        match self.absent(secret).await {
            SecretFailure::KeyNotFound => {}
            failure => return Err(failure),
        }
        self.store.list_sealed_keys(secret).await.map_err(|error| unreachable(&error))
    }

    async fn write(&self, secret: &str, data: &SecretData) -> Result<SealedValues, SecretFailure> {
        let sealed = data.iter().map(|(key, value)| self.seal(secret, key, value));
        sealed.collect::<Result<_, _>>().map(SealedValues::Replace)
    }

    async fn delete(&self, _secret: &str) -> Result<(), SecretFailure> {
        // The values go with the row of the secret, in the store's own transaction.
        Ok(())
    }

    async fn health(&self) -> Result<(), SecretFailure> {
        self.store.ping().await.map_err(|error| unreachable(&error))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed")
    }
}

/// What a ciphertext is bound to; names hold no NUL, so no two places look the same.
fn context(secret: &str, key: &str) -> Vec<u8> {
    format!("mcpd sealed v1\0{secret}\0{key}").into_bytes()
}

fn unreachable(error: &StoreError) -> SecretFailure {
    SecretFailure::Unreachable(error.to_string())
}

#[cfg(test)]
mod tests;
