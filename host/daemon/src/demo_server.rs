//! `mcpd demo-server`: a small real MCP server over stdio, for trying mcpd out without anything else.
//!
//! It has the tools `whoami`, `echo` and `add`. With `--require-token VAR` its `whoami` fails with
//! "token is required" unless VAR holds `demo-token`; all else goes on working, which is exactly the
//! kind of broken server that mcpd exists to find out.

use std::io::{self, BufRead, Read, Write};

use serde_json::{Value, json};

/// What `whoami` wants to find in the variable.
const TOKEN: &str = "demo-token";
/// The revisions of the handshake by `initialize`, newest first.
const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// Longest message taken, in bytes: the bound of mcpd itself.
const MESSAGE_BYTES_MAX: u64 = 16 << 20;

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;

/// Serves until stdin ends. `required` is the variable that `whoami` needs, and its value.
///
/// # Errors
/// When stdin cannot be read, a message is over 16 MiB, or stdout cannot be written.
pub fn run(
    required: Option<(String, Option<String>)>,
    mut stdin: impl BufRead,
    mut stdout: impl Write,
) -> io::Result<()> {
    let server = Server { has_token: required.is_none_or(|(_, value)| value.as_deref() == Some(TOKEN)) };
    let mut line = Vec::new();
    while read_line(&mut stdin, &mut line)? {
        if let Some(mut answer) = server.take(&line) {
            answer.push('\n');
            stdout.write_all(answer.as_bytes())?;
            stdout.flush()?;
        }
    }
    Ok(())
}

/// `false` when stdin has ended.
fn read_line(stdin: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = stdin.by_ref().take(MESSAGE_BYTES_MAX).read_until(b'\n', line)?;
    if line.len() as u64 == MESSAGE_BYTES_MAX && !line.ends_with(b"\n") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message over the limit of 16 MiB"));
    }
    Ok(read > 0)
}

struct Server {
    has_token: bool,
}

/// Code and message of a JSON-RPC error.
type Refusal = (i64, String);

impl Server {
    /// The answer to a message; none to a notification, to an answer and to an empty line.
    fn take(&self, line: &[u8]) -> Option<String> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        let Ok(message) = serde_json::from_slice::<Value>(line) else {
            return Some(answer(&Value::Null, Err((PARSE_ERROR, "message is not JSON".to_owned()))));
        };
        let Some(members) = message.as_object() else {
            return Some(answer(&Value::Null, Err((INVALID_REQUEST, "message is not an object".to_owned()))));
        };
        let (method, id) = (members.get("method")?.as_str()?, members.get("id")?);
        Some(answer(id, self.handle(method, &message["params"])))
    }

    fn handle(&self, method: &str, params: &Value) -> Result<Value, Refusal> {
        match method {
            "initialize" => Ok(greeting(params)),
            "ping" => Ok(json!({})),
            "tools/list" => Ok(json!({ "tools": tools() })),
            "tools/call" => self.call(params),
            _ => Err((METHOD_NOT_FOUND, format!("method {method} not found"))),
        }
    }

    fn call(&self, params: &Value) -> Result<Value, Refusal> {
        let arguments = &params["arguments"];
        match params["name"].as_str() {
            Some("whoami") => Ok(self.whoami()),
            Some("echo") => Ok(echo(arguments)),
            Some("add") => Ok(add(arguments)),
            Some(other) => Err((INVALID_PARAMS, format!("unknown tool {other}"))),
            None => Err((INVALID_PARAMS, "params.name is missing".to_owned())),
        }
    }

    fn whoami(&self) -> Value {
        if self.has_token { content("demo", false) } else { content("token is required", true) }
    }
}

fn echo(arguments: &Value) -> Value {
    match arguments["text"].as_str() {
        Some(text) => content(text, false),
        None => content("argument text is missing or no string", true),
    }
}

fn add(arguments: &Value) -> Value {
    match (arguments["a"].as_f64(), arguments["b"].as_f64()) {
        (Some(a), Some(b)) => content(&(a + b).to_string(), false),
        _ => content("arguments a and b have to be numbers", true),
    }
}

fn content(text: &str, is_error: bool) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": is_error })
}

/// Answers in the revision asked for where that is one of ours, in our newest where not.
fn greeting(params: &Value) -> Value {
    let asked = params["protocolVersion"].as_str().unwrap_or_default();
    let version = VERSIONS.into_iter().find(|version| *version == asked).unwrap_or(VERSIONS[0]);
    json!({
        "protocolVersion": version,
        "serverInfo": { "name": "mcpd-demo-server", "version": env!("CARGO_PKG_VERSION") },
        "capabilities": { "tools": {} },
    })
}

fn tools() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "number" });
    json!([
        tool("whoami", "Says who the token belongs to", &json!({})),
        tool("echo", "Gives the text back", &json!({ "text": text })),
        tool("add", "Adds two numbers", &json!({ "a": number, "b": number })),
    ])
}

/// A tool all of whose arguments are required.
fn tool(name: &str, description: &str, properties: &Value) -> Value {
    let required: Vec<&String> =
        properties.as_object().into_iter().flat_map(|object| object.keys()).collect();
    json!({
        "name": name,
        "description": description,
        "inputSchema": { "type": "object", "properties": properties, "required": required },
        "annotations": { "readOnlyHint": true },
    })
}

fn answer(id: &Value, outcome: Result<Value, Refusal>) -> String {
    match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(required: Option<&str>, stdin: &str) -> Vec<Value> {
        let required = required.map(|value| ("TOKEN".to_owned(), Some(value.to_owned())));
        let mut stdout = Vec::new();
        run(required, stdin.as_bytes(), &mut stdout).expect("served to the end");
        let text = String::from_utf8(stdout).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn called(required: Option<&str>, tool: &str, arguments: &Value) -> (Value, bool) {
        let params = json!({ "name": tool, "arguments": arguments });
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let result = &served(required, &request.to_string())[0]["result"];
        (result["content"][0]["text"].clone(), result["isError"] == true)
    }

    #[test]
    fn it_greets_in_the_revision_asked_for() {
        let greet = |version: &str| {
            let params = json!({ "protocolVersion": version });
            let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
            served(None, &request.to_string())[0]["result"]["protocolVersion"].clone()
        };
        assert_eq!(greet("2024-11-05"), "2024-11-05");
        assert_eq!(greet("2031-01-01"), "2025-11-25");
    }

    #[test]
    fn whoami_wants_the_right_token_only_where_one_is_required() {
        assert_eq!(called(None, "whoami", &json!({})), ("demo".into(), false));
        assert_eq!(called(Some("demo-token"), "whoami", &json!({})), ("demo".into(), false));
        for wrong in ["", "other"] {
            assert_eq!(called(Some(wrong), "whoami", &json!({})), ("token is required".into(), true));
        }
    }

    #[test]
    fn tools_do_what_their_schema_says() {
        assert_eq!(called(None, "echo", &json!({ "text": "ä" })), ("ä".into(), false));
        assert_eq!(called(None, "add", &json!({ "a": 1, "b": 1.5 })), ("2.5".into(), false));
        assert!(called(None, "add", &json!({ "a": "1" })).1);
        let listed = served(None, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        assert_eq!(listed[0]["result"]["tools"][2]["inputSchema"]["required"], json!(["a", "b"]));
    }

    #[test]
    fn each_request_is_answered_and_nothing_else() {
        let answers = served(
            None,
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n\n\
             {\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"server/discover\"}\n\
             {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\
             nonsense\n\
             {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}",
        );
        let codes: Vec<&Value> = answers.iter().map(|answer| &answer["error"]["code"]).collect();
        assert_eq!(codes, [&json!(METHOD_NOT_FOUND), &json!(PARSE_ERROR), &Value::Null]);
        assert_eq!((&answers[0]["id"], &answers[2]["result"]), (&json!("a"), &json!({})));
    }
}
