//! The parameters of a call, checked and written again by the host: what was checked is what is sent.
//!
//! A server's JSON parser may read a text otherwise than ours: of two members `name` one takes the first and
//! another the last, and Go's takes `Name` for `name` too. So two members that differ in case only are
//! refused, and white space goes, for a line break would end the message on stdio.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

/// A JSON object without duplicate members, in the order given.
#[derive(Debug)]
pub(crate) struct Params<'a>(Vec<(String, &'a RawValue)>);

/// Why the text of a guest is no parameters.
#[derive(Debug, Error)]
pub(crate) enum ParamsError {
    #[error("the parameters are not a JSON object without duplicate members: {0}")]
    NotAnObject(serde_json::Error),
    #[error("the parameters of tools/call name no tool")]
    NoTool,
    #[error("the arguments of the tool are not a JSON object: {0}")]
    Arguments(String),
}

/// The parameters of `tools/call`.
pub(crate) fn of_tool(tool: &str, arguments: &str) -> Result<Box<RawValue>, ParamsError> {
    let mut text = String::with_capacity(arguments.len() + tool.len() + r#"{"name":"","arguments":}"#.len());
    text.push_str(r#"{"name":"#);
    text.push_str(&serde_json::to_string(tool).map_err(ParamsError::NotAnObject)?);
    text.push_str(r#","arguments":"#);
    push_compact(&mut text, object(arguments)?);
    text.push('}');
    RawValue::from_string(text).map_err(ParamsError::NotAnObject)
}

/// A single JSON object and nothing behind it; with less, a guest could close the parameters and go on.
fn object(text: &str) -> Result<&RawValue, ParamsError> {
    let value: &RawValue =
        serde_json::from_str(text).map_err(|error| ParamsError::Arguments(error.to_string()))?;
    if value.get().starts_with('{') {
        Ok(value)
    } else {
        Err(ParamsError::Arguments("it is another JSON value".to_owned()))
    }
}

impl<'a> Params<'a> {
    /// Parses the parameters of any request.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ParamsError> {
        serde_json::from_str(text).map_err(ParamsError::NotAnObject)
    }

    /// The tool that `tools/call` with these parameters would call.
    pub(crate) fn tool(&self) -> Result<String, ParamsError> {
        let name = self.0.iter().find(|(key, _)| key == "name").ok_or(ParamsError::NoTool)?.1;
        serde_json::from_str(name.get()).map_err(|_| ParamsError::NoTool)
    }

    /// The host's own text of what was checked.
    pub(crate) fn into_raw(self) -> Result<Box<RawValue>, ParamsError> {
        let text = serde_json::to_string(&self).map_err(ParamsError::NotAnObject)?;
        let mut compact = String::with_capacity(text.len());
        push_text_compact(&mut compact, &text);
        RawValue::from_string(compact).map_err(ParamsError::NotAnObject)
    }
}

fn push_compact(target: &mut String, value: &RawValue) {
    push_text_compact(target, value.get());
}

/// Copies valid JSON without the white space between its tokens.
fn push_text_compact(target: &mut String, json: &str) {
    if !json.bytes().any(|byte| byte.is_ascii_whitespace()) {
        target.push_str(json);
        return;
    }
    let mut in_string = false;
    let mut escaped = false;
    for character in json.chars() {
        if in_string || !character.is_ascii_whitespace() {
            target.push(character);
        }
        in_string ^= character == '"' && !escaped;
        escaped = in_string && character == '\\' && !escaped;
    }
}

impl<'de> Deserialize<'de> for Params<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueMembers)
    }
}

struct UniqueMembers;

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = Params<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = HashSet::new();
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            if !seen.insert(key.to_lowercase()) {
                return Err(serde::de::Error::custom(format_args!("duplicate member `{key}`")));
            }
            members.push((key, value));
        }
        Ok(Params(members))
    }
}

impl Serialize for Params<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_call_is_written_by_the_host() {
        let params = of_tool("say \"hi\"", "{ \"a b\": [1, 1.0,\n \"x \\\" y\\\\\" ] }").unwrap();
        assert_eq!(params.get(), r#"{"name":"say \"hi\"","arguments":{"a b":[1,1.0,"x \" y\\"]}}"#);
    }

    #[test]
    fn arguments_can_not_break_out_of_their_place() {
        for arguments in [r#"{},"name":"evil""#, "{}} {", "[]", "null", "", "{"] {
            assert!(of_tool("get_me", arguments).is_err(), "{arguments}");
        }
    }

    #[test]
    fn a_second_name_is_refused_however_it_is_written() {
        for second in [r#""name""#, r#""\u006eame""#, r#""Name""#, r#""NAME""#] {
            let text = format!(r#"{{"name":"get_me",{second}:"evil"}}"#);
            assert!(Params::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_tool_is_the_member_name_and_nothing_like_it() {
        assert_eq!(Params::parse(r#"{"n\u0061me":"x"}"#).unwrap().tool().unwrap(), "x");
        assert!(Params::parse(r#"{"Name":"x"}"#).unwrap().tool().is_err());
        assert!(Params::parse(r#"{"name":["x"]}"#).unwrap().tool().is_err());
    }

    #[test]
    fn numbers_keep_their_digits_on_the_way() {
        let text = r#"{"n":12345678901234567890123,"f":1.0,"nested":{"a":1, "a":2}}"#;
        let raw = Params::parse(text).unwrap().into_raw().unwrap();
        assert_eq!(raw.get(), text.replace(", ", ","));
    }
}
