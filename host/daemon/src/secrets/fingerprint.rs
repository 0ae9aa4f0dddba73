//! Fingerprints: they tell that a value changed, and nothing else about it (behaviour 3.7).

use std::fmt::Write as _;

use mcpd_core::env::SecretRef;
use mcpd_core::secret::SecretValue;

use super::key::{DerivedKey, mac};

/// Characters of a fingerprint that people see.
const SHOWN_CHARACTERS: usize = 12;

/// Makes fingerprints; without its key nobody can guess a value by trying.
pub(super) struct Fingerprinter(pub(super) DerivedKey);

impl Fingerprinter {
    /// What people see of a value: 12 hexadecimal characters.
    pub(super) fn shown(&self, secret: &str, key: &str, value: &SecretValue) -> String {
        let mut text = hex(&self.of_value(secret, key, value));
        text.truncate(SHOWN_CHARACTERS);
        text
    }

    /// One hash over all values that a server uses, whatever the order in which it names them.
    pub(super) fn of_all(&self, values: &[(SecretRef, SecretValue)]) -> String {
        let of_one = |(reference, value): &(SecretRef, SecretValue)| {
            self.of_value(&reference.name, &reference.key, value)
        };
        let mut all: Vec<_> = values.iter().map(of_one).collect();
        all.sort_unstable();
        all.dedup();
        let parts: Vec<&[u8]> = all.iter().map(<[u8; 32]>::as_slice).collect();
        hex(&mac(&self.0, &parts))
    }

    fn of_value(&self, secret: &str, key: &str, value: &SecretValue) -> [u8; 32] {
        mac(&self.0, &[secret.as_bytes(), key.as_bytes(), value.expose().as_bytes()])
    }
}

impl std::fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprinter")
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
