//! Builds the lines that are sent: JSON-RPC around raw parameters.

use std::io::Write;

use serde_json::value::RawValue;

use crate::meta::{self, ParamsNotObject};

/// Room for everything of a request but its parameters.
const ENVELOPE_BYTES: usize = 128;

/// A request. `meta` is what the stateless revision wants in each of them.
pub(crate) fn request(
    id: u64,
    method: &str,
    params: Option<&RawValue>,
    meta: Option<&str>,
) -> Result<Vec<u8>, ParamsNotObject> {
    // JSON-RPC has no `null` parameters; a caller that sends them means none.
    let params = params.filter(|raw| raw.get() != "null");
    let length = ENVELOPE_BYTES + params.map_or(0, |raw| raw.get().len()) + meta.map_or(0, str::len);
    let mut frame = Vec::with_capacity(length);
    open(&mut frame, method);
    push(&mut frame, format_args!(r#","id":{id}"#));
    let body = frame.len();
    match (params, meta) {
        (None, None) => {}
        (Some(raw), None) => {
            frame.extend_from_slice(br#","params":"#);
            frame.extend_from_slice(raw.get().as_bytes());
        }
        (params, Some(meta)) => {
            frame.extend_from_slice(br#","params":"#);
            meta::write_params(&mut frame, params, meta)?;
        }
    }
    keep_on_one_line(&mut frame[body..]);
    frame.extend_from_slice(b"}\n");
    Ok(frame)
}

/// A notification; `params` is JSON without newlines.
pub(crate) fn notification(method: &str, params: Option<&str>) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ENVELOPE_BYTES);
    open(&mut frame, method);
    if let Some(params) = params {
        push(&mut frame, format_args!(r#","params":{params}"#));
    }
    frame.extend_from_slice(b"}\n");
    frame
}

/// `notifications/cancelled` for one of our requests.
pub(crate) fn cancelled(id: u64, why: &str) -> Vec<u8> {
    notification("notifications/cancelled", Some(&format!(r#"{{"requestId":{id},"reason":"{why}"}}"#)))
}

/// The answer to a request of the server.
pub(crate) fn reply(id: &RawValue, method: &RawValue) -> Vec<u8> {
    let body = match method.get() {
        r#""ping""# => r#""result":{}"#,
        // mcpd declares no capabilities, so a server has no business asking for more.
        _ => r#""error":{"code":-32601,"message":"mcpd answers no request but ping"}"#,
    };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{},{body}}}\n", id.get()).into_bytes()
}

fn open(frame: &mut Vec<u8>, method: &str) {
    frame.extend_from_slice(br#"{"jsonrpc":"2.0","method":"#);
    meta::push_text(frame, method);
}

fn push(frame: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a `Vec` cannot fail.
    let _ = frame.write_fmt(text);
}

/// A newline in raw JSON can only be white space, strings escape theirs; but to the server it would end
/// the message (a carriage return, too, where it reads in text mode).
fn keep_on_one_line(json: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = memchr::memchr2(b'\n', b'\r', &json[from..]) {
        json[from + at] = b' ';
        from += at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("JSON")
    }

    fn sent(params: Option<&RawValue>) -> String {
        String::from_utf8(request(5, "tools/call", params, None).expect("an object")).expect("UTF-8")
    }

    #[test]
    fn parameters_pass_untouched() {
        let params = raw(r#"{"z":1.50e+3,"a":"\u00e4",  "z":{}}"#);
        assert_eq!(
            sent(Some(&params)),
            "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"id\":5,\"params\":{\"z\":1.50e+3,\"a\":\"\\u00e4\",  \"z\":{}}}\n"
        );
    }

    #[test]
    fn absent_and_null_parameters_are_left_out() {
        let none = "{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"id\":5}\n";
        assert_eq!(sent(None), none);
        assert_eq!(sent(Some(&raw("null"))), none);
    }

    #[test]
    fn a_request_is_one_line_however_its_parameters_were_laid_out() {
        let sent = sent(Some(&raw("{\r\n  \"a\": \"b\\nc\"\n}")));
        assert!(sent.ends_with("\"params\":{    \"a\": \"b\\nc\" }}\n"), "{sent}");
        assert_eq!(sent.lines().count(), 1);
    }

    #[test]
    fn a_method_cannot_break_out_of_its_string() {
        let frame = request(1, "a\"\n", None, None).expect("no parameters");
        assert_eq!(frame, b"{\"jsonrpc\":\"2.0\",\"method\":\"a\\\"\\n\",\"id\":1}\n");
    }
}
