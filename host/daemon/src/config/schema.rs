//! `mcpd config --schema`: the table of keys as JSON Schema, for editors.

use serde_json::{Value, json};

use super::environment::variables;
use super::keys::{KEYS, Key};
use super::model::Config;

/// JSON Schema (2020-12) of the configuration file.
pub fn schema() -> Value {
    let mut root = section();
    for key in KEYS {
        let (sections, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        sections.split('.').fold(&mut root, subsection)["properties"][name] = describe(key);
    }
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("configuration of mcpd");
    root
}

fn section() -> Value {
    json!({ "type": "object", "properties": {}, "additionalProperties": false })
}

fn subsection<'a>(table: &'a mut Value, name: &str) -> &'a mut Value {
    let subsection = &mut table["properties"][name];
    if subsection.is_null() {
        *subsection = section();
    }
    subsection
}

fn describe(key: &Key) -> Value {
    let mut schema = key.shape.schema();
    let variables = variables(key).collect::<Vec<_>>().join(" or ");
    schema["description"] = json!(format!("{} ({variables})", key.doc));
    schema["default"] = key.shape.show(&Config::default());
    schema
}
