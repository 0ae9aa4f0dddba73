//! Puts `_meta` into the parameters of the stateless revision, without decoding them where that is possible.

use std::fmt;

use rmcp::model::ProtocolVersion;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ClientInfo;

const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The parameters are JSON, but not an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ParamsNotObject;

/// The members of `_meta` that every request carries, as text without braces.
pub(crate) fn members(version: &ProtocolVersion, client: &ClientInfo) -> String {
    let info = client_info(client);
    format!(r#""{PROTOCOL_VERSION}":"{version}","{CLIENT_INFO}":{info},"{CLIENT_CAPABILITIES}":{{}}"#)
}

/// `clientInfo` as JSON.
pub(crate) fn client_info(client: &ClientInfo) -> String {
    serde_json::json!({ "name": client.name, "version": client.version }).to_string()
}

/// Writes `params` with the members of `meta` in its `_meta`. They describe this very connection, so
/// they take the place of members of the same name; what else the caller's `_meta` holds is kept.
pub(crate) fn write_params(
    frame: &mut Vec<u8>,
    params: Option<&RawValue>,
    meta: &str,
) -> Result<(), ParamsNotObject> {
    let text = params.map_or("{}", RawValue::get);
    let rest = text.strip_prefix('{').ok_or(ParamsNotObject)?;
    if may_hold_meta(text) {
        return merge(frame, text, meta);
    }
    open(frame, meta);
    frame.push(b'}');
    if !rest.trim_start().starts_with('}') {
        frame.push(b',');
    }
    frame.extend_from_slice(rest.as_bytes());
    Ok(())
}

/// A key can also be written with escapes, hence the second test.
fn may_hold_meta(text: &str) -> bool {
    let find = |needle: &[u8]| memchr::memmem::find(text.as_bytes(), needle).is_some();
    find(b"\"_meta\"") || find(b"\\u")
}

fn merge(frame: &mut Vec<u8>, text: &str, meta: &str) -> Result<(), ParamsNotObject> {
    let params: Members<'_> = serde_json::from_str(text).map_err(|_| ParamsNotObject)?;
    let (metas, others): (Vec<_>, Vec<_>) = params.0.into_iter().partition(|(key, _)| key == "_meta");
    let theirs: Members<'_> =
        metas.last().and_then(|(_, value)| serde_json::from_str(value.get()).ok()).unwrap_or_default();
    open(frame, meta);
    for (key, value) in &theirs.0 {
        if ![PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES].contains(&key.as_str()) {
            push_member(frame, key, value);
        }
    }
    frame.push(b'}');
    for (key, value) in &others {
        push_member(frame, key, value);
    }
    frame.push(b'}');
    Ok(())
}

fn open(frame: &mut Vec<u8>, meta: &str) {
    frame.extend_from_slice(br#"{"_meta":{"#);
    frame.extend_from_slice(meta.as_bytes());
}

fn push_member(frame: &mut Vec<u8>, key: &str, value: &RawValue) {
    frame.push(b',');
    push_text(frame, key);
    frame.push(b':');
    frame.extend_from_slice(value.get().as_bytes());
}

/// Writes a text as a JSON string.
pub(crate) fn push_text(frame: &mut Vec<u8>, text: &str) {
    // Neither writing to a `Vec` nor serialising a text can fail.
    let _ = serde_json::to_writer(frame, text);
}

/// The members of an object in their order, values untouched.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn spliced(params: Option<&str>) -> Result<String, ParamsNotObject> {
        let params = params.map(|text| RawValue::from_string(text.to_owned()).expect("JSON"));
        let mut frame = Vec::new();
        write_params(&mut frame, params.as_deref(), r#""ours":1"#)?;
        Ok(String::from_utf8(frame).expect("UTF-8"))
    }

    #[test]
    fn absent_and_empty_parameters_become_meta_alone() {
        for params in [None, Some("{}"), Some("{ \n }")] {
            let spliced = spliced(params).expect("an object");
            assert_eq!(spliced.replace([' ', '\n'], ""), r#"{"_meta":{"ours":1}}"#);
        }
    }

    #[test]
    fn other_members_keep_their_order_and_their_text() {
        assert_eq!(
            spliced(Some(r#"{ "z": 1.50e+3, "a": {"b":[ ]}}"#)).expect("an object"),
            r#"{"_meta":{"ours":1}, "z": 1.50e+3, "a": {"b":[ ]}}"#
        );
    }

    #[test]
    fn meta_of_the_caller_is_kept_beside_ours() {
        assert_eq!(
            spliced(Some(r#"{"name":"x","_meta":{"progressToken":1.0,"io.modelcontextprotocol/protocolVersion":"1999"},"z":2}"#))
                .expect("an object"),
            r#"{"_meta":{"ours":1,"progressToken":1.0},"name":"x","z":2}"#
        );
        assert_eq!(spliced(Some(r#"{"_meta":null}"#)).expect("an object"), r#"{"_meta":{"ours":1}}"#);
    }

    #[test]
    fn an_escaped_key_does_not_smuggle_in_a_second_meta() {
        assert_eq!(
            spliced(Some(r#"{"_\u006deta":{"theirs":1}}"#)).expect("an object"),
            r#"{"_meta":{"ours":1,"theirs":1}}"#
        );
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for params in ["[]", "1", "\"{\"", "true"] {
            assert_eq!(spliced(Some(params)), Err(ParamsNotObject));
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("_meta|ours|[\"\\\\a-c\u{1}ä]{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_splice_equals_a_merge_of_values(
            members in prop::collection::btree_map("_meta|name|[a-c\"\\\\{}]{0,3}", any_json(), 0..5),
            pretty in any::<bool>(),
        ) {
            let params: Map<String, Value> = members.into_iter().collect();
            let text = if pretty { serde_json::to_string_pretty(&params) } else { serde_json::to_string(&params) };
            let spliced: Value = serde_json::from_str(&spliced(Some(&text.expect("text"))).expect("an object")).expect("JSON");
            let mut expected = params;
            let mut meta = match expected.remove("_meta") { Some(Value::Object(meta)) => meta, _ => Map::new() };
            let theirs = meta.remove("ours");
            meta.insert("ours".to_owned(), theirs.unwrap_or_else(|| json!(1)));
            expected.insert("_meta".to_owned(), Value::Object(meta));
            prop_assert_eq!(spliced, Value::Object(expected));
        }
    }
}
