//! `env` and `headers`: names with a value, or with the place where a secret one is kept.

use std::collections::HashSet;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::bounds::ENV_MAX;
use crate::reader::Reader;
use crate::text::{self, Rule};

/// One variable or header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvEntry {
    /// Its name; variables match `[A-Za-z_][A-Za-z0-9_]*`, headers are HTTP tokens.
    pub name: String,
    /// Where its value comes from.
    pub source: EnvSource,
}

/// Where the value of a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvSource {
    /// It stands in the manifest.
    Value(String),
    /// It is kept by a secret backend.
    Secret {
        /// The secret.
        name: String,
        /// The key of the secret.
        key: String,
        /// Whether an empty value is no failure.
        allow_empty: bool,
    },
}

/// Variables of a process.
pub(super) fn read_env(reader: &mut Reader<'_>) -> Vec<EnvEntry> {
    let entries = read_entries(reader, "env", &text::ENV_NAME, &text::ENV_VALUE);
    refuse_duplicates(reader, "env", entries.iter().map(|entry| entry.name.clone()));
    entries
}

/// Headers of an HTTP connection; their names are told apart without regard to case.
pub(super) fn read_headers(reader: &mut Reader<'_>) -> Vec<EnvEntry> {
    let entries = read_entries(reader, "headers", &text::HEADER_NAME, &text::HEADER_VALUE);
    refuse_duplicates(reader, "headers", entries.iter().map(|entry| entry.name.to_ascii_lowercase()));
    entries
}

fn read_entries(
    reader: &mut Reader<'_>,
    field: &'static str,
    name_rule: &Rule,
    value_rule: &Rule,
) -> Vec<EnvEntry> {
    reader.objects(field, ENV_MAX, |entry| {
        let name = entry.required("name", name_rule);
        let value = entry.text("value", value_rule);
        let has_both = value.is_some() && entry.has("valueFrom");
        let has_value_field = value.is_some() || entry.has("value");
        let secret = entry.nested("valueFrom").map(read_value_from);
        if has_both {
            entry.wrong("", "has both `value` and `valueFrom`, exactly one is needed");
        }
        if !has_value_field && secret.is_none() && !entry.has("valueFrom") {
            entry.wrong("", "has neither `value` nor `valueFrom`, exactly one is needed");
        }
        let source = value.map(EnvSource::Value).or(secret.flatten())?;
        Some(EnvEntry { name, source })
    })
}

fn read_value_from(mut from: Reader<'_>) -> Option<EnvSource> {
    let secret = from.nested("secretRef").map(|mut reference| {
        let name = reference.required("name", &text::NAME);
        let key = reference.required("key", &text::SECRET_KEY);
        let allow_empty = reference.flag("allowEmpty");
        reference.finish();
        EnvSource::Secret { name, key, allow_empty }
    });
    if secret.is_none() && !from.has("secretRef") {
        from.wrong("secretRef", "is missing");
    }
    from.finish();
    secret
}

fn refuse_duplicates(reader: &Reader<'_>, field: &str, names: impl Iterator<Item = String>) {
    let mut seen = HashSet::new();
    for name in names.filter(|name| !name.is_empty()) {
        if seen.contains(&name) {
            reader.wrong(field, format!("names `{}` twice", text::shown(&name)));
        }
        seen.insert(name);
    }
}

impl Serialize for EnvEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_struct("EnvEntry", 2)?;
        entry.serialize_field("name", &self.name)?;
        match &self.source {
            EnvSource::Value(value) => entry.serialize_field("value", value)?,
            EnvSource::Secret { name, key, allow_empty } => {
                let mut reference = json!({ "name": name, "key": key });
                if *allow_empty {
                    reference["allowEmpty"] = json!(true);
                }
                entry.serialize_field("valueFrom", &json!({ "secretRef": reference }))?;
            }
        }
        entry.end()
    }
}
