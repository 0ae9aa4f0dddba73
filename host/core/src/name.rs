//! Names and ids, parsed once and trusted after.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest DNS label, in characters (RFC 1123).
pub const DNS_LABEL_LENGTH_MAX: usize = 63;

/// Whether `text` is a DNS label of RFC 1123: `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, 63 characters at most.
pub fn is_dns_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= DNS_LABEL_LENGTH_MAX
        && allowed(first)
        && allowed(last)
        && bytes.iter().all(|&b| allowed(b) || b == b'-')
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Takes a text that is known to be well-formed.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Arc::from(text.as_ref()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $type {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

name! {
    /// Name of a server: a DNS label.
    ServerName
}

name! {
    /// Id of an instance: six characters of `[a-z0-9]`, the first a letter.
    InstanceId
}

impl InstanceId {
    /// Makes an id of 32 bits of chance or more (about 31 of them are used).
    pub fn from_chance(mut chance: u64) -> Self {
        const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
        const ALL: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut text = String::with_capacity(6);
        text.push(char::from(LETTERS[usize::try_from(chance % 26).unwrap_or(0)]));
        chance /= 26;
        for _ in 0..5 {
            text.push(char::from(ALL[usize::try_from(chance % 36).unwrap_or(0)]));
            chance /= 36;
        }
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_labels_are_told_from_other_texts() {
        for good in ["a", "a-b", "0", "gitea2", &"x".repeat(63)] {
            assert!(is_dns_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a/..", &"x".repeat(64)] {
            assert!(!is_dns_label(bad), "{bad}");
        }
    }

    #[test]
    fn an_id_is_a_dns_label_of_six() {
        for chance in [0, 1, u64::MAX, 0x1234_5678_9abc_def0] {
            let id = InstanceId::from_chance(chance);
            assert_eq!(id.as_str().len(), 6);
            assert!(is_dns_label(id.as_str()));
        }
    }
}
