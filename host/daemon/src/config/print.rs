//! `mcpd config`: the effective configuration as a file that could be loaded again.
//!
//! No key holds a secret, and none may: secrets have backends.

use std::fmt::Write as _;

use serde_json::Value;

use super::keys::KEYS;
use super::load::Effective;
use super::mistake::Origin;

impl Effective {
    /// TOML with a line for every key, saying where the value comes from unless it is the default.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut open = "";
        for key in KEYS {
            let (section, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
            if section != open {
                let gap = if open.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{gap}[{section}]");
                open = section;
            }
            let value = literal(&key.shape.show(&self.config));
            let _ = writeln!(text, "{name} = {value}{}", remark(self.origin(key.path)));
        }
        text
    }
}

fn literal(value: &Value) -> String {
    // What TOML cannot hold was refused when it was set.
    toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}

fn remark(origin: &Origin) -> String {
    if *origin == Origin::Default { String::new() } else { format!("  # {origin}") }
}
