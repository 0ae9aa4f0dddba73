//! The scripted server of a scenario: strict order, and a line for each call that differs.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mcpd_core::check::FailureKind;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::document::{ExpectedCall, Members, Reply, RpcError, ScriptedCall, Word};
use crate::calls::{CallError, Calls};
use crate::limits::Limits;

/// A connection that answers from a list.
pub(super) struct Script {
    limits: Limits,
    progress: Mutex<Progress>,
}

struct Progress {
    calls: VecDeque<ScriptedCall>,
    made: usize,
    mismatches: Vec<String>,
}

impl Script {
    pub(super) fn new(calls: Vec<ScriptedCall>, limits: Limits) -> Self {
        let progress = Progress { calls: calls.into(), made: 0, mismatches: Vec::new() };
        Self { limits, progress: Mutex::new(progress) }
    }

    /// What differed, and what was never called.
    pub(super) fn mismatches(&self) -> Vec<String> {
        let progress = self.progress();
        let missing = progress.calls.iter().map(|call| format!("never called: {}", expected(&call.expect)));
        progress.mismatches.iter().cloned().chain(missing).collect()
    }

    fn next(&self, method: &str, params: &Value) -> Option<Reply> {
        let mut progress = self.progress();
        progress.made += 1;
        let made = progress.made;
        let made_call = format!("{method} {params}");
        let Some(call) = progress.calls.pop_front() else {
            progress.mismatches.push(format!("call {made}: none was expected, got {made_call}"));
            return None;
        };
        if matches(&call.expect, method, params) {
            return Some(call.reply);
        }
        let line = format!("call {made}: expected {}, got {made_call}", expected(&call.expect));
        progress.mismatches.push(line);
        None
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, reply: Reply) -> Result<String, CallError> {
        let members = match reply {
            Reply::Word(word) => return self.word(word).await,
            Reply::Members(members) => *members,
        };
        tokio::time::sleep(Duration::from_millis(members.delay_ms)).await;
        let said = [
            (members.timeout, Word::Timeout),
            (members.disconnect, Word::Disconnect),
            (members.oversize, Word::Oversize),
        ];
        match said.into_iter().find(|(is_said, _)| *is_said) {
            Some((_, word)) => self.word(word).await,
            None => result(members),
        }
    }

    async fn word(&self, word: Word) -> Result<String, CallError> {
        match word {
            Word::Timeout => std::future::pending().await,
            Word::Disconnect => {
                let message = "the connection was closed while the call was under way";
                Err(CallError::new(FailureKind::Transport, "connection-closed", message))
            }
            Word::Oversize => Ok(json!({ "padding": "x".repeat(self.limits.answer_bytes()) }).to_string()),
        }
    }
}

#[async_trait]
impl Calls for Script {
    async fn request(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
        _: Duration,
    ) -> Result<String, CallError> {
        let params = params.and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or(Value::Null);
        match self.next(method, &params) {
            Some(reply) => self.answer(reply).await,
            None => Err(CallError::new(FailureKind::Host, "off-script", "the scenario expects another call")),
        }
    }
}

fn result(members: Members) -> Result<String, CallError> {
    if let Some(RpcError { code, message, data }) = members.error {
        return Err(CallError {
            kind: FailureKind::Rpc,
            reason: Cow::Borrowed(""),
            code: Some(code),
            message,
            data: data.map(|data| data.to_string()),
        });
    }
    if let Some(result) = members.result {
        return Ok(result.to_string());
    }
    let text = members.text.unwrap_or_default();
    Ok(json!({ "content": [{ "type": "text", "text": text }], "isError": members.is_error }).to_string())
}

fn matches(expected: &ExpectedCall, method: &str, params: &Value) -> bool {
    let is_expected =
        |wanted: &Option<Value>, got: &Value| wanted.as_ref().is_none_or(|wanted| wanted == got);
    expected.method == method
        && expected.tool.as_ref().is_none_or(|tool| params["name"] == **tool)
        && is_expected(&expected.arguments, &params["arguments"])
        && is_expected(&expected.params, params)
}

fn expected(call: &ExpectedCall) -> String {
    let ExpectedCall { method, tool, arguments, params } = call;
    let params = match (params, tool) {
        (Some(params), _) => params.clone(),
        (None, Some(tool)) => json!({ "arguments": arguments, "name": tool }),
        (None, None) => return method.clone(),
    };
    format!("{method} {params}")
}
