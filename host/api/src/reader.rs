//! Reads the fields of one object and collects every mistake instead of stopping at the first.
//!
//! Asking for a field makes it known, so [`Reader::finish`] can name each field nobody asked for. A
//! reading that failed gives a placeholder; nothing is built from it, because the caller looks at
//! [`Mistakes`] before it hands a manifest out.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::mistakes::{Mistakes, join, not_one_of, wrong_type};
use crate::suggest::nearest;
use crate::text::Rule;

/// How many known fields a message lists; more of them help nobody.
const LISTED_FIELDS_MAX: usize = 12;

/// The fields of one object.
pub(crate) struct Reader<'v> {
    path: String,
    fields: &'v Map<String, Value>,
    known: Vec<&'static str>,
    mistakes: &'v Mistakes,
}

impl<'v> Reader<'v> {
    /// A reader of `value`, or a mistake where that is no object.
    pub(crate) fn new(value: &'v Value, path: String, mistakes: &'v Mistakes) -> Option<Self> {
        match value {
            Value::Object(fields) => Some(Self { path, fields, known: Vec::new(), mistakes }),
            other => {
                mistakes.add(path, wrong_type("an object", other));
                None
            }
        }
    }

    /// Reports what nobody asked for.
    pub(crate) fn finish(self) {
        if self.mistakes.lets_unknown_be() {
            return;
        }
        for field in self.fields.keys().filter(|field| !self.known.contains(&field.as_str())) {
            let words = match nearest(field, self.known.iter().copied()) {
                Some(known) => format!("unknown field, did you mean `{known}`?"),
                None if self.known.is_empty() || self.known.len() > LISTED_FIELDS_MAX => {
                    "unknown field".to_owned()
                }
                None => format!("unknown field, known are {}", self.known.join(", ")),
            };
            self.mistakes.add(join(&self.path, field), words);
        }
    }

    /// Whether the field is there and not `null`, `""` or `[]`, which all mean "not given".
    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|value| !is_blank(value))
    }

    /// Reports a mistake of this field, or of the object itself where `field` is empty.
    pub(crate) fn wrong(&self, field: &str, message: impl Into<String>) {
        let path = if field.is_empty() { self.path.clone() } else { join(&self.path, field) };
        self.mistakes.add(path, message);
    }

    /// A string under its rule; `None` where it is absent or wrong.
    pub(crate) fn text(&mut self, field: &'static str, rule: &Rule) -> Option<String> {
        let value = self.take(field)?;
        let text = self.expect(field, value, "a string", Value::as_str)?;
        self.keep_rule(&join(&self.path, field), text, rule)
    }

    /// A string that counts as absent when it is empty.
    pub(crate) fn filled(&mut self, field: &'static str, rule: &Rule) -> Option<String> {
        if self.has(field) {
            return self.text(field, rule);
        }
        // What is left is "" and, wrongly, [].
        let value = self.take(field)?;
        self.expect(field, value, "a string", Value::as_str);
        None
    }

    /// A string that has to be there.
    pub(crate) fn required(&mut self, field: &'static str, rule: &Rule) -> String {
        if self.fields.get(field).is_none_or(Value::is_null) {
            self.wrong(field, "is missing");
        }
        self.text(field, rule).unwrap_or_default()
    }

    /// A whole number within its bounds.
    pub(crate) fn integer(&mut self, field: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.take(field)?;
        let bounds = format!("a whole number from {} to {}", range.start(), range.end());
        self.in_range(field, value, value.as_u64().filter(|number| range.contains(number)), &bounds)
    }

    /// A number within its bounds.
    pub(crate) fn number(&mut self, field: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let value = self.take(field)?;
        let bounds = format!("a number from {} to {}", range.start(), range.end());
        self.in_range(field, value, value.as_f64().filter(|number| range.contains(number)), &bounds)
    }

    /// Seconds, fractional or whole, within their bounds.
    pub(crate) fn seconds(&mut self, field: &'static str, range: RangeInclusive<f64>) -> Option<Duration> {
        self.number(field, range).map(Duration::from_secs_f64)
    }

    /// `true` or `false`; absent is `false`.
    pub(crate) fn flag(&mut self, field: &'static str) -> bool {
        let Some(value) = self.take(field) else { return false };
        self.expect(field, value, "true or false", Value::as_bool).unwrap_or_default()
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&mut self, field: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        let value = self.take(field)?;
        let text = self.expect(field, value, "a string", Value::as_str)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.wrong(field, not_one_of(text, words.iter().map(|(word, _)| *word)));
        }
        found
    }

    /// An object of whatever members, for somebody else to judge.
    pub(crate) fn any_object(&mut self, field: &'static str) -> Option<Map<String, Value>> {
        let value = self.take(field)?;
        self.expect(field, value, "an object", Value::as_object).cloned()
    }

    /// A reader of the object in this field.
    pub(crate) fn nested(&mut self, field: &'static str) -> Option<Reader<'v>> {
        let value = self.take(field)?;
        Reader::new(value, join(&self.path, field), self.mistakes)
    }

    /// Strings under one rule.
    pub(crate) fn texts(&mut self, field: &'static str, count_max: usize, rule: &Rule) -> Vec<String> {
        self.entries(field, count_max, |reader, path, value| match value {
            Value::String(text) => reader.keep_rule(&path, text, rule),
            other => {
                reader.mistakes.add(path, wrong_type("a string", other));
                None
            }
        })
    }

    /// Objects, each read by `read`.
    pub(crate) fn objects<T>(
        &mut self,
        field: &'static str,
        count_max: usize,
        mut read: impl FnMut(&mut Reader<'v>) -> Option<T>,
    ) -> Vec<T> {
        self.entries(field, count_max, |reader, path, value| {
            let mut entry = Reader::new(value, path, reader.mistakes)?;
            let read = read(&mut entry);
            entry.finish();
            read
        })
    }

    /// Names with strings, such as labels.
    pub(crate) fn pairs(
        &mut self,
        field: &'static str,
        count_max: usize,
        key_rule: &Rule,
        value_rule: &Rule,
    ) -> Option<BTreeMap<String, String>> {
        let value = self.take(field)?;
        let members = self.expect(field, value, "an object", Value::as_object)?;
        self.keep_count(field, members.len(), count_max)?;
        let path = join(&self.path, field);
        let pair = |(key, value): (&String, &Value)| {
            let path = join(&path, key);
            if let Some(complaint) = key_rule.complaint(key) {
                self.mistakes.add(path.as_str(), format!("the name {complaint}"));
            }
            let Value::String(text) = value else {
                self.mistakes.add(path, wrong_type("a string", value));
                return None;
            };
            Some((key.clone(), self.keep_rule(&path, text, value_rule)?))
        };
        Some(members.iter().filter_map(pair).collect())
    }

    fn entries<T>(
        &mut self,
        field: &'static str,
        count_max: usize,
        mut read: impl FnMut(&Self, String, &'v Value) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.take(field) else { return Vec::new() };
        let Some(list) = self.expect(field, value, "a list", Value::as_array) else { return Vec::new() };
        if self.keep_count(field, list.len(), count_max).is_none() {
            return Vec::new();
        }
        let path = join(&self.path, field);
        list.iter().enumerate().filter_map(|(i, value)| read(self, format!("{path}[{i}]"), value)).collect()
    }

    /// The value of a field, which is known from now on; `null` is absent.
    fn take(&mut self, field: &'static str) -> Option<&'v Value> {
        if !self.known.contains(&field) {
            self.known.push(field);
        }
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn expect<T>(
        &self,
        field: &str,
        value: &'v Value,
        what: &str,
        as_type: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Option<T> {
        let found = as_type(value);
        if found.is_none() {
            self.wrong(field, wrong_type(what, value));
        }
        found
    }

    /// A number that was read, or the bounds it should have kept.
    fn in_range<T>(&self, field: &str, value: &Value, read: Option<T>, bounds: &str) -> Option<T> {
        if read.is_none() {
            match value {
                Value::Number(number) => self.wrong(field, format!("must be {bounds}, not {number}")),
                other => self.wrong(field, wrong_type(bounds, other)),
            }
        }
        read
    }

    fn keep_rule(&self, path: &str, text: &str, rule: &Rule) -> Option<String> {
        if let Some(complaint) = rule.complaint(text) {
            self.mistakes.add(path, complaint);
            return None;
        }
        Some(text.to_owned())
    }

    fn keep_count(&self, field: &str, count: usize, count_max: usize) -> Option<()> {
        if count > count_max {
            self.wrong(field, format!("has {count} entries, at most {count_max} are allowed"));
            return None;
        }
        Some(())
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}
