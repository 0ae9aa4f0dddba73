//! Reads JSON and YAML into a JSON value, refusing duplicate keys and whatever swells past its text.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::bounds::DOCUMENT_BYTES_MAX;

/// What the values of one document may weigh, a value counting one and each byte of a string one. A text
/// within its own bound never weighs more than its length, so only aliases of YAML get here: four times is
/// plenty for honest ones.
const WEIGHT_MAX: usize = 4 * DOCUMENT_BYTES_MAX;

/// Why a text is no JSON value.
#[derive(Debug, thiserror::Error)]
pub enum StrictJsonError {
    /// More than [`DOCUMENT_BYTES_MAX`] bytes.
    #[error("the JSON text has {bytes} bytes, at most {DOCUMENT_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Ill-formed, or with a key twice; the words name line and column.
    #[error("not JSON: {0}")]
    Malformed(String),
}

/// Reads one JSON value from a request body; a duplicate key is an error, for readers differ about which
/// of the two counts.
pub fn read_json(bytes: &[u8]) -> Result<Value, StrictJsonError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(StrictJsonError::TooLarge { bytes: bytes.len() });
    }
    let malformed = |error: serde_json::Error| StrictJsonError::Malformed(error.to_string());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = read(&mut deserializer).map_err(malformed)?;
    deserializer.end().map_err(malformed)?;
    Ok(value)
}

/// Reads one value from any format.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let left = Cell::new(WEIGHT_MAX);
    Strict { left: &left }.deserialize(deserializer)
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn weigh<E: Error>(self, weight: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(weight).ok_or_else(|| {
            E::custom(format_args!("aliases make this document larger than {WEIGHT_MAX} bytes"))
        })?;
        self.left.set(left);
        Ok(())
    }

    fn key<E: Error>(self, known: &Map<String, Value>, key: &str) -> Result<(), E> {
        if known.contains_key(key) {
            return Err(E::custom(format_args!("duplicate key `{}`", crate::text::shown(key))));
        }
        self.weigh(key.len())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.weigh(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON can hold")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.weigh(value.len())?;
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    /// What the YAML reader says for an empty document.
    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom("a tag (`!…`) has no meaning here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(self)? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.key(&map, &key)?;
            map.insert(key, entries.next_value_seed(self)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_and_a_key_that_stands_twice_is_refused() {
        let value = read_json(br#"{"a": [1, -2, 0.5, true, null, "\ud83d\ude00"]}"#).unwrap();
        assert_eq!(value, serde_json::json!({"a": [1, -2, 0.5, true, null, "😀"]}));
        let error = read_json(br#"{"a": {"b": 1, "b": 2}}"#).unwrap_err();
        insta::assert_snapshot!(error, @"not JSON: duplicate key `b` at line 1 column 18");
    }

    #[test]
    fn broken_json_names_the_place() {
        let error = read_json(b"{\n  \"a\": }").unwrap_err();
        insta::assert_snapshot!(error, @"not JSON: expected value at line 2 column 8");
        assert!(read_json(b"{} {}").is_err());
        assert!(read_json(&vec![b' '; DOCUMENT_BYTES_MAX + 1]).unwrap_err().to_string().contains("at most"));
        assert!(read_json("[".repeat(100_000).as_bytes()).is_err(), "depth is bounded");
    }
}
