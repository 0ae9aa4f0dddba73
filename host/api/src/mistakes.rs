//! The mistakes of an input: where they are, in which words, and how many of them are kept.

use std::cell::RefCell;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bounds::FIELD_ERRORS_MAX;
use crate::text::shown;

/// One mistake of an input and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// `env[1].valueFrom.secretRef.key`; empty for the whole.
    pub path: String,
    /// What is wrong and what is right, lower case, no full stop.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// The mistakes found so far, shared by the readers of one input.
#[derive(Default)]
pub(crate) struct Mistakes {
    found: RefCell<Found>,
    lets_unknown_be: bool,
}

#[derive(Default)]
struct Found {
    kept: Vec<FieldError>,
    left_off: usize,
}

impl Mistakes {
    /// Of a reading that does not mind unknown fields.
    pub(crate) fn lenient() -> Self {
        Self { lets_unknown_be: true, ..Self::default() }
    }

    pub(crate) fn lets_unknown_be(&self) -> bool {
        self.lets_unknown_be
    }

    pub(crate) fn add(&self, path: impl Into<String>, message: impl Into<String>) {
        let mut found = self.found.borrow_mut();
        if found.kept.len() < FIELD_ERRORS_MAX {
            found.kept.push(FieldError { path: path.into(), message: message.into() });
        } else {
            found.left_off += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().kept.is_empty()
    }

    pub(crate) fn into_list(self) -> Vec<FieldError> {
        let Found { mut kept, left_off } = self.found.into_inner();
        if left_off > 0 {
            kept.push(FieldError { path: String::new(), message: format!("and {left_off} more mistakes") });
        }
        kept
    }
}

/// Reports every NUL character in a string or a name, anywhere.
pub(crate) fn refuse_nul(value: &Value, path: &str, mistakes: &Mistakes) {
    match value {
        Value::String(text) if text.contains('\0') => mistakes.add(path, "must not hold a NUL character"),
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(i, entry)| refuse_nul(entry, &format!("{path}[{i}]"), mistakes));
        }
        Value::Object(members) => {
            for (name, member) in members {
                if name.contains('\0') {
                    mistakes.add(join(path, name), "the name must not hold a NUL character");
                }
                refuse_nul(member, &join(path, name), mistakes);
            }
        }
        _ => {}
    }
}

/// The complaint about a word that is none of a few.
pub(crate) fn not_one_of<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.collect();
    format!("unknown value `{}`, must be one of {}", shown(text), words.join(", "))
}

/// The complaint about a value of another type. It never repeats the value, which may be a secret in the
/// wrong place.
pub(crate) fn wrong_type(wanted: &str, value: &Value) -> String {
    let hint = match value {
        Value::Number(_) | Value::Bool(_) if wanted == "a string" => ": put it in quotes",
        _ => "",
    };
    format!("must be {wanted}, not {}{hint}", type_name(value))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// `path.field`, or `path["odd field"]` where the field is no plain word.
pub(crate) fn join(path: &str, field: &str) -> String {
    let is_plain = !field.is_empty() && field.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match (path, is_plain) {
        ("", true) => shown(field),
        (_, true) => format!("{path}.{}", shown(field)),
        (_, false) => format!("{path}[\"{}\"]", shown(field)),
    }
}
