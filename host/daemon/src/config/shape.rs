//! What the value of a key may look like, and how it is read, shown and described from that one statement.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use super::model::Config;
use super::suggest::did_you_mean;
use super::values::health_check;

/// The place of a value in the configuration; the same accessor reads and writes.
pub(super) type Place<T> = fn(&mut Config) -> &mut T;

/// The shape of a value, with its place and its bounds (both ends are allowed).
pub(super) enum Shape {
    /// `true` or `false`.
    Switch(Place<bool>),
    /// A whole number.
    Whole { at: Place<u32>, within: RangeInclusive<u64> },
    /// A number, fractional where somebody wants it.
    Number { at: Place<f64>, within: RangeInclusive<f64> },
    /// A duration in seconds, fractional where somebody wants it.
    Seconds { at: Place<Duration>, within: RangeInclusive<f64> },
    /// A text that is parsed; the error says what is wrong with it without repeating it.
    Text { set: fn(&mut Config, &str) -> Result<(), String>, show: fn(&Config) -> String },
    /// One of a few words.
    Word {
        words: &'static [&'static str],
        set: fn(&mut Config, &str) -> Result<(), String>,
        show: fn(&Config) -> String,
    },
    /// A list of texts, each of which `check` accepts; separated by commas in a variable.
    Texts { at: Place<Vec<String>>, check: fn(&str) -> Result<(), String> },
    /// Tables by name, each a `healthCheck`; `names` are the only ones there are, unless it is empty.
    Tables { at: Place<BTreeMap<String, Value>>, names: &'static [&'static str] },
}

impl Shape {
    /// Puts a value where it belongs, or says what is wrong with it.
    pub(super) fn set(&self, config: &mut Config, value: &Value) -> Result<(), String> {
        match self {
            Self::Switch(at) => *at(config) = value.as_bool().ok_or_else(|| self.unlike(value))?,
            Self::Whole { at, within } => {
                let number = value.as_i64().ok_or_else(|| self.unlike(value))?;
                let fits = u64::try_from(number).ok().filter(|number| within.contains(number));
                let fits = fits.and_then(|number| u32::try_from(number).ok());
                *at(config) = fits.ok_or_else(|| outside(number, within))?;
            }
            Self::Number { at, within } => *at(config) = self.number(value, within)?,
            Self::Seconds { at, within } => {
                *at(config) = Duration::from_secs_f64(self.number(value, within)?);
            }
            Self::Text { set, .. } | Self::Word { set, .. } => {
                set(config, value.as_str().ok_or_else(|| self.unlike(value))?)?;
            }
            Self::Texts { at, check } => *at(config) = self.texts(value, *check)?,
            Self::Tables { at, names } => *at(config) = self.tables(value, names)?,
        }
        Ok(())
    }

    /// Reads the text of a variable or a flag as far as the shape allows; what does not fit stays a text
    /// and is refused by [`Shape::set`].
    pub(super) fn read_text(&self, text: &str) -> Value {
        let parsed = match self {
            Self::Switch(_) => text.parse::<bool>().ok().map(Value::from),
            Self::Whole { .. } => text.parse::<i64>().ok().map(Value::from),
            Self::Number { .. } | Self::Seconds { .. } => text.parse::<f64>().ok().map(Value::from),
            Self::Text { .. } | Self::Word { .. } => None,
            Self::Texts { .. } => Some(split(text)),
            Self::Tables { .. } => serde_json::from_str(text).ok(),
        };
        parsed.filter(|value| !value.is_null()).unwrap_or_else(|| Value::from(text))
    }

    /// The value that is in the configuration.
    pub(super) fn show(&self, config: &Config) -> Value {
        let mut config = config.clone();
        match self {
            Self::Switch(at) => Value::from(*at(&mut config)),
            Self::Whole { at, .. } => Value::from(*at(&mut config)),
            Self::Number { at, .. } => fraction(*at(&mut config)),
            Self::Seconds { at, .. } => fraction(at(&mut config).as_secs_f64()),
            Self::Text { show, .. } | Self::Word { show, .. } => Value::from(show(&config)),
            Self::Texts { at, .. } => Value::from(at(&mut config).clone()),
            Self::Tables { at, .. } => at(&mut config).clone().into_iter().collect(),
        }
    }

    /// The JSON Schema of the value.
    pub(super) fn schema(&self) -> Value {
        match self {
            Self::Switch(_) => json!({ "type": "boolean" }),
            Self::Whole { within, .. } => {
                json!({ "type": "integer", "minimum": within.start(), "maximum": within.end() })
            }
            Self::Number { within, .. } | Self::Seconds { within, .. } => {
                json!({ "type": "number", "minimum": within.start(), "maximum": within.end() })
            }
            Self::Text { .. } => json!({ "type": "string" }),
            Self::Word { words, .. } => json!({ "enum": words }),
            Self::Texts { .. } => json!({ "type": "array", "items": { "type": "string" } }),
            Self::Tables { names: [], .. } => {
                json!({ "type": "object", "additionalProperties": { "type": "object" } })
            }
            Self::Tables { names, .. } => {
                let table = json!({ "type": "object" });
                let properties: Value =
                    names.iter().map(|name| ((*name).to_owned(), table.clone())).collect();
                json!({ "type": "object", "properties": properties, "additionalProperties": false })
            }
        }
    }

    fn number(&self, value: &Value, within: &RangeInclusive<f64>) -> Result<f64, String> {
        let number = value.as_f64().ok_or_else(|| self.unlike(value))?;
        Some(number).filter(|number| within.contains(number)).ok_or_else(|| outside(number, within))
    }

    fn texts(&self, value: &Value, check: fn(&str) -> Result<(), String>) -> Result<Vec<String>, String> {
        let entries = value.as_array().ok_or_else(|| self.unlike(value))?;
        let read = entries.iter().enumerate().map(|(index, entry)| {
            let text = entry.as_str().ok_or_else(|| self.unlike(entry));
            let checked = text.and_then(|text| check(text).map(|()| text.to_owned()));
            checked.map_err(|problem| format!("entry {}: {problem}", index + 1))
        });
        all(read)
    }

    fn tables(&self, value: &Value, names: &[&'static str]) -> Result<BTreeMap<String, Value>, String> {
        let tables = value.as_object().ok_or_else(|| self.unlike(value))?;
        all(tables.iter().map(|(name, table)| {
            if !names.is_empty() && !names.contains(&name.as_str()) {
                return Err(format!("unknown name {name}{}", did_you_mean(name, names.iter().copied())));
            }
            toml::Value::try_from(table)
                .map_err(|_| format!("{name}: holds null, or a number beyond 64 bits"))?;
            health_check(name, table)?;
            Ok((name.clone(), table.clone()))
        }))
    }

    fn unlike(&self, value: &Value) -> String {
        let expected = match self {
            Self::Switch(_) => "true or false",
            Self::Whole { .. } => "a whole number",
            Self::Number { .. } => "a number",
            Self::Seconds { .. } => "a number of seconds",
            Self::Text { .. } | Self::Word { .. } => "a text",
            Self::Texts { .. } => "a list of texts",
            Self::Tables { .. } => "a table of tables",
        };
        format!("expected {expected}, found {}", kind(value))
    }
}

/// Everything, or every problem.
fn all<T, All: FromIterator<T>>(read: impl Iterator<Item = Result<T, String>>) -> Result<All, String> {
    let (good, bad): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
    if bad.is_empty() {
        return Ok(good.into_iter().flatten().collect());
    }
    Err(bad.into_iter().filter_map(Result::err).collect::<Vec<_>>().join("; "))
}

/// A number, a whole one without a fraction.
fn fraction(number: f64) -> Value {
    let text = number.to_string();
    text.parse::<u64>().map_or_else(|_| Value::from(number), Value::from)
}

fn outside<N: Display, B: Display>(number: N, within: &RangeInclusive<B>) -> String {
    format!("must be {} to {}, is {number}", within.start(), within.end())
}

fn split(text: &str) -> Value {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}
