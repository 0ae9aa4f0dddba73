//! `mcpd config --schema`: the table of keys as JSON Schema, for editors.

use serde_json::{Map, Value, json};

use super::environment::variables;
use super::keys::{KEYS, Key};
use super::model::Config;

/// JSON Schema (2020-12) of the configuration file.
pub fn schema() -> Value {
    let mut root = section();
    for key in KEYS {
        let (sections, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let table = sections
            .split('.')
            .fold(&mut root, |table, name| properties(table).entry(name).or_insert_with(section));
        properties(table).insert(name.to_owned(), describe(key));
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("configuration of mcpd");
    root
}

fn section() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

#[expect(clippy::expect_used, reason = "section() made it an object")]
fn properties(section: &mut Value) -> &mut Map<String, Value> {
    section["properties"].as_object_mut().expect("properties of a section")
}

fn describe(key: &Key) -> Value {
    let mut schema = key.shape.schema();
    let variables = variables(key).collect::<Vec<_>>().join(" or ");
    schema["description"] = json!(format!("{} ({variables})", key.doc));
    schema["default"] = key.shape.show(&Config::default());
    schema
}
