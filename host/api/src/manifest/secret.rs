//! `kind: secret`: the values of one secret on their way in, and nowhere else.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::bounds::SECRET_KEYS_MAX;
use crate::reader::Reader;
use crate::text;

/// A secret to be written, or only named where the backend holds it already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretManifest {
    /// A DNS label.
    pub name: String,
    /// Name of the backend; `None` is `sealed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// All keys with their values; `None` leaves what the backend holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<BTreeMap<String, SecretText>>,
}

/// A secret value in a manifest: wiped on drop and never printed. It does serialise, for the client has to
/// send it; a view has no field of this type.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the value over.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, for the one place that has to hand it on.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(redacted)")
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

pub(super) fn read(reader: &mut Reader<'_>, name: String) -> SecretManifest {
    let backend = reader.filled("backend", &text::NAME);
    let data = reader.pairs("data", SECRET_KEYS_MAX, &text::SECRET_KEY, &text::SECRET_VALUE);
    let data = data.map(|data| data.into_iter().map(|(key, value)| (key, SecretText::new(value))).collect());
    SecretManifest { name, backend, data }
}
