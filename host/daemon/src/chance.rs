//! Chance from the operating system, for keys, tokens and ids.

use std::io;

use chacha20poly1305::aead::OsRng;
use chacha20poly1305::aead::rand_core::RngCore as _;
use zeroize::Zeroizing;

/// `N` bytes that nobody can guess.
///
/// # Errors
/// When the operating system has no chance to give; there is no other source.
pub fn random_bytes<const N: usize>() -> io::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0_u8; N]);
    OsRng.try_fill_bytes(&mut *bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}
