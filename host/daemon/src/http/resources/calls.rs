//! `/servers/{name}/mcp` and `/tools`: calls of clients, through the connection that is checked.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use mcpd_api::FieldError;
use mcpd_api::bounds::TIMEOUT_SECONDS;
use mcpd_api::problem::{Code, Problem};
use mcpd_api::view::{ListView, McpCallRequest};
use mcpd_core::name::InstanceId;
use mcpd_mcp::Answer as McpAnswer;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;

use super::servers::get;
use crate::http::Api;
use crate::http::api::Shared;
use crate::http::body::Document;
use crate::http::query::Name;
use crate::http::refusal::{Answer, Refusal};
use crate::state::ServerCell;

/// The deadline of a call that names none: tools may take their time, and a client that waits longer
/// should say so.
const TIMEOUT_DEFAULT: Duration = Duration::from_mins(1);

/// Pages of a tool list that are fetched; a server that still has more gives cursors without end.
const TOOL_PAGES_MAX: usize = 100;

/// Bytes of all pages of a tool list together: as much as one message of a server may have. Thousands of tools
/// take a few MiB.
const TOOLS_BYTES_MAX: usize = 16 << 20;

/// Bytes of a refusal that repeats a server's own words: enough for any sentence, and for its first lines
/// where it is none.
const WORDS_BYTES_MAX: usize = 4 << 10;

/// `POST /servers/{name}/mcp`: the answer of the server, `result` or `error`, byte for byte.
pub(crate) async fn call(State(api): Shared, Name(name): Name, body: Document) -> Answer<Response> {
    let request: McpCallRequest = body.read()?;
    let timeout = timeout_of(&request)?;
    let server = get(&api, &name)?;
    let (instance, params) = (request.instance.as_deref(), request.params.as_deref());
    let answer = api.engine.call(&server, instance, &request.method, params, timeout).await?;
    // Written around what the server gave: nothing of it is read or written anew.
    let text = match &answer {
        McpAnswer::Result(result) => format!(r#"{{"result":{}}}"#, result.get()),
        McpAnswer::Error(error) => format!(r#"{{"error":{}}}"#, error.raw.get()),
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

fn timeout_of(request: &McpCallRequest) -> Answer<Duration> {
    let mut errors = Vec::new();
    let mut wrong = |path: &str, message: String| errors.push(FieldError { path: path.to_owned(), message });
    if request.method.is_empty() {
        wrong("method", "must not be empty".to_owned());
    }
    if request.params.as_ref().is_some_and(|params| !params.get().starts_with('{')) {
        wrong("params", "must be an object".to_owned());
    }
    let seconds = request.timeout_seconds.unwrap_or(TIMEOUT_DEFAULT.as_secs_f64());
    if !TIMEOUT_SECONDS.contains(&seconds) {
        let (min, max) = (TIMEOUT_SECONDS.start(), TIMEOUT_SECONDS.end());
        wrong("timeoutSeconds", format!("must be a number from {min} to {max}, not {seconds}"));
    }
    if errors.is_empty() {
        return Ok(Duration::from_secs_f64(seconds));
    }
    Err(Problem { errors, ..Problem::new(Code::InvalidRequest, "the call has mistakes") }.into())
}

/// One page of `tools/list`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    tools: Vec<Box<RawValue>>,
    #[serde(default)]
    next_cursor: Option<String>,
}

/// `GET /servers/{name}/tools`: asked of one replica now, all pages, each tool as the server gave it.
pub(crate) async fn tools(State(api): Shared, Name(name): Name) -> Answer<Json<ListView<Box<RawValue>>>> {
    let server = get(&api, &name)?;
    let end = Instant::now() + TIMEOUT_DEFAULT;
    // A cursor is good for the replica that gave it, and may mean nothing to another one.
    let instance = api.engine.pick(&server)?;
    let (mut tools, mut bytes, mut cursor) = (Vec::new(), 0, None);
    for _ in 0..TOOL_PAGES_MAX {
        let text = tools_page(&api, &server, &instance, cursor.as_deref(), end).await?;
        bytes += text.get().len();
        if bytes > TOOLS_BYTES_MAX {
            let words = format!("the tools of server {name} are more than {TOOLS_BYTES_MAX} bytes together");
            return Err(Refusal::new(Code::BadAnswer, words));
        }
        let page = page_of(&server, &text)?;
        tools.extend(page.tools);
        cursor = page.next_cursor.filter(|cursor| !cursor.is_empty());
        if cursor.is_none() {
            return Ok(Json(tools.into()));
        }
    }
    let words = format!("server {name} has more than {TOOL_PAGES_MAX} pages of tools");
    Err(Refusal::new(Code::BadAnswer, words))
}

async fn tools_page(
    api: &Api,
    server: &ServerCell,
    instance: &InstanceId,
    cursor: Option<&str>,
    end: Instant,
) -> Answer<Box<RawValue>> {
    let params = cursor.and_then(|cursor| to_raw_value(&json!({ "cursor": cursor })).ok());
    let left = end.saturating_duration_since(Instant::now());
    match api.engine.call(server, Some(instance.as_str()), "tools/list", params.as_deref(), left).await? {
        McpAnswer::Result(result) => Ok(result),
        McpAnswer::Error(error) => {
            let words =
                format!("server {} refused tools/list ({}): {}", server.name, error.code, error.message);
            Err(bad_answer(&words))
        }
    }
}

fn page_of(server: &ServerCell, text: &RawValue) -> Answer<Page> {
    serde_json::from_str(text.get())
        .map_err(|error| bad_answer(&format!("server {} gave no list of tools: {error}", server.name)))
}

/// A refusal in words that may hold the server's own, however many these are.
fn bad_answer(words: &str) -> Refusal {
    Refusal::new(Code::BadAnswer, &words[..words.floor_char_boundary(WORDS_BYTES_MAX)])
}
