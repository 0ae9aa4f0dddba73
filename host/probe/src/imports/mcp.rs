//! `mcp`: calls through the live connection, each counted, permitted and recorded.

use std::time::Duration;

use mcpd_core::check::FailureKind;
use serde::Deserialize;

use crate::calls::CallError;
use crate::context::CheckContext;
use crate::contract::mcp::Host;
use crate::contract::types::{Failure, Host as Types};
use crate::mcp::{Answer, Call};

/// Pages of one `tools/list`; as in the contract.
const PAGES_MAX: usize = 100;

impl Types for CheckContext {}

impl Host for CheckContext {
    async fn request(
        &mut self,
        method: String,
        params: Option<String>,
        timeout_ms: Option<u32>,
    ) -> Result<String, Failure> {
        let call = Call::of_request(method, params.as_deref()).map_err(CallError::from)?;
        Ok(self.call(call, timeout_ms).await?.result)
    }

    async fn call_tool(
        &mut self,
        name: String,
        arguments: String,
        timeout_ms: Option<u32>,
    ) -> Result<String, Failure> {
        let call = Call::of_tool(name, &arguments).map_err(CallError::from)?;
        let answer = self.call(call, timeout_ms).await?;
        answer.judged?;
        Ok(answer.result)
    }

    async fn list_tools(&mut self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let page = self.tools_page(cursor.as_deref()).await?;
            names.extend(page.tools.into_iter().map(|tool| tool.name));
            match page.next_cursor {
                Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
                _ => break,
            }
        }
        Ok(names)
    }

    async fn defer_call_tool(&mut self, name: String, arguments: String) -> Result<(), Failure> {
        let call = Call::of_tool(name, &arguments).map_err(CallError::from)?;
        Ok(self.mcp.defer(call)?)
    }
}

#[derive(Deserialize)]
struct ToolsPage {
    tools: Vec<Tool>,
    #[serde(rename = "nextCursor", default)]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
}

impl CheckContext {
    async fn call(&mut self, call: Call, timeout_ms: Option<u32>) -> Result<Answer, CallError> {
        let own = timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let answer = self.mcp.call(call, own).await;
        self.cpu.rest();
        answer
    }

    async fn tools_page(&mut self, cursor: Option<&str>) -> Result<ToolsPage, Failure> {
        let params = cursor.map(|cursor| serde_json::json!({ "cursor": cursor }).to_string());
        let call = Call::of_request("tools/list".to_owned(), params.as_deref()).map_err(CallError::from)?;
        let answer = self.call(call, None).await?;
        Ok(serde_json::from_str(&answer.result).map_err(|error| {
            let message = format!("the result of tools/list is no list of tools: {error}");
            CallError::new(FailureKind::Protocol, "invalid-result", message)
        })?)
    }
}
