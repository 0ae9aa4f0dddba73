//! What a probe says of itself, and its JSON.

use std::fmt::Write;

/// What `describe` answers; the schema is in the contract.
#[derive(Clone, Debug, Default)]
pub struct Description {
    name: String,
    version: String,
    summary: String,
    tools: Vec<String>,
    methods: Vec<String>,
}

impl Description {
    /// A probe that needs no more than the read-only methods.
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self { name: name.into(), version: version.into(), summary: summary.into(), ..Self::default() }
    }

    /// The tools the probe wants to call. A request: mcpd denies them until `healthCheck.allow` grants them.
    #[must_use]
    pub fn tools(mut self, tools: &[&str]) -> Self {
        self.tools = tools.iter().map(ToString::to_string).collect();
        self
    }

    /// The MCP methods the probe wants to call beyond the read-only ones.
    #[must_use]
    pub fn methods(mut self, methods: &[&str]) -> Self {
        self.methods = methods.iter().map(ToString::to_string).collect();
        self
    }

    /// The JSON object of the contract.
    pub fn to_json(&self) -> String {
        let mut json = String::from("{");
        member(&mut json, "name", &quoted(&self.name));
        member(&mut json, "version", &quoted(&self.version));
        member(&mut json, "summary", &quoted(&self.summary));
        if !self.tools.is_empty() {
            member(&mut json, "tools", &list(&self.tools));
        }
        if !self.methods.is_empty() {
            member(&mut json, "methods", &list(&self.methods));
        }
        json.push('}');
        json
    }
}

fn member(json: &mut String, name: &str, value: &str) {
    if json.len() > 1 {
        json.push(',');
    }
    json.push_str(&quoted(name));
    json.push(':');
    json.push_str(value);
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(","))
}

/// Written by hand: a JSON library would be half of a small probe.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::Description;

    #[test]
    fn a_description_is_a_json_object_without_empty_lists() {
        let json = Description::new("a", "1.0.0", "says \"hi\"\n").tools(&["x", "y"]).to_json();
        assert_eq!(json, r#"{"name":"a","version":"1.0.0","summary":"says \"hi\"\u000a","tools":["x","y"]}"#);
    }
}
