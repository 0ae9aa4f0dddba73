//! What a result of the server means, beyond being one: a tool that failed, an answer no check can use.

use std::borrow::Cow;

use mcpd_core::check::FailureKind;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::calls::CallError;

/// The word of revision 2026-07-28 for a result that is the whole answer.
const COMPLETE: &str = "complete";

/// The members of a result that decide.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(rename = "isError", default)]
    is_error: Option<bool>,
    #[serde(rename = "resultType", borrow, default)]
    result_type: Option<Cow<'a, str>>,
    #[serde(default)]
    task: Option<IgnoredAny>,
    #[serde(default)]
    content: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct ToolResult<'a> {
    #[serde(borrow, default)]
    content: Vec<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
}

/// Every result of MCP is an object; serde would take an array for a struct as well.
pub(crate) fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

/// Whether the result is one a check can use, and whether it says that the tool failed.
pub(crate) fn judge(result: &str) -> Result<(), CallError> {
    let outline: Outline<'_> = serde_json::from_str(result).map_err(|error| not_mcp(&error.to_string()))?;
    match outline.result_type.as_deref() {
        Some("input_required") => return Err(unsupported("input-required", "asks for input")),
        Some(other) if other != COMPLETE => return Err(unsupported("incomplete", "is not complete")),
        _ => {}
    }
    if outline.task.is_some() && outline.content.is_none() {
        return Err(unsupported("task-handle", "is a task, to be asked for later"));
    }
    if outline.is_error == Some(true) { Err(tool_failure(result)) } else { Ok(()) }
}

/// The text content, verbatim, as the message.
fn tool_failure(result: &str) -> CallError {
    let content =
        serde_json::from_str::<ToolResult<'_>>(result).map(|result| result.content).unwrap_or_default();
    let texts: Vec<_> = content.into_iter().filter_map(|content| content.text).collect();
    let message = match texts.join("\n") {
        empty if empty.is_empty() => "the tool failed and gave no text".to_owned(),
        words => words,
    };
    CallError { data: Some(result.to_owned()), ..CallError::new(FailureKind::Tool, "tool-error", message) }
}

/// The server's result is none of MCP.
pub(crate) fn not_mcp(why: &str) -> CallError {
    let message = format!("the result is no MCP result: {why}");
    CallError::new(FailureKind::Protocol, "invalid-result", message)
}

fn unsupported(reason: &'static str, what: &str) -> CallError {
    CallError::new(FailureKind::Unsupported, reason, format!("the answer {what}, which a check can not use"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_failed_speaks_in_its_own_words() {
        let result = r#"{"content":[{"type":"text","text":"token is required"},{"type":"image"},{"type":"text","text":"sorry"}],"isError":true}"#;
        let error = judge(result).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (FailureKind::Tool, "token is required\nsorry"));
        assert_eq!(error.data.as_deref(), Some(result));
    }

    #[test]
    fn a_complete_result_is_an_answer_and_others_are_not() {
        judge(r#"{"content":[],"isError":false}"#).unwrap();
        judge(r#"{"resultType":"complete","content":[]}"#).unwrap();
        assert_eq!(judge(r#"{"resultType":"input_required"}"#).unwrap_err().reason, "input-required");
        assert_eq!(judge(r#"{"task":{"taskId":"1"}}"#).unwrap_err().reason, "task-handle");
        assert_eq!(judge("{]").unwrap_err().kind, FailureKind::Protocol);
        assert!(is_object(" {}") && !is_object("[]") && !is_object(""));
    }
}
