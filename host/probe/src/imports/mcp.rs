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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use serde_json::value::RawValue;
    use tokio::time::Instant;

    use super::*;
    use crate::calls::Calls;
    use crate::clock::{CheckClock, Clock};
    use crate::grant::Grant;
    use crate::limits::Limits;
    use crate::mcp::Connection;
    use crate::sandbox;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Lists tools on pages without end, a new cursor each; never answers a ping.
    struct Endless;

    #[async_trait]
    impl Calls for Endless {
        async fn request(
            &self,
            method: &str,
            params: Option<Box<RawValue>>,
            _: Duration,
        ) -> Result<String, CallError> {
            if method == "ping" {
                std::future::pending::<()>().await;
            }
            let page = params.map_or(0, |params| params.get().len());
            Ok(format!(r#"{{"tools":[{{"name":"tool"}}],"nextCursor":"{}"}}"#, "x".repeat(page)))
        }
    }

    fn context(limits: Limits) -> CheckContext {
        let clock = CheckClock::start(Clock::Real, TIMEOUT);
        let (calls, grant): (Arc<dyn Calls>, _) = (Arc::new(Endless), Arc::new(Grant::default()));
        let connection = Connection { calls, grant, deadline: clock.deadline() };
        sandbox::context(limits, Arc::default(), Arc::default(), clock, Some(connection))
    }

    #[tokio::test]
    async fn pages_of_tools_without_end_are_read_up_to_a_bound() {
        let mut endless = context(Limits::default().with_calls(1_000));
        assert_eq!(endless.list_tools().await.unwrap().len(), PAGES_MAX);
        assert_eq!(endless.mcp.finish().await.len(), PAGES_MAX);
    }

    #[tokio::test]
    async fn every_page_of_tools_counts_as_a_call() {
        let mut endless = context(Limits::default().with_calls(7));
        let failure = endless.list_tools().await.unwrap_err();
        assert_eq!(failure.reason, "call-limit");
        assert_eq!(endless.mcp.finish().await.len(), 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_calls_own_timeout_ends_the_call_and_not_the_check() {
        let mut endless = context(Limits::default().with_calls(1_000));
        let started = Instant::now();
        let failure = endless.request("ping".into(), None, Some(1_500)).await.unwrap_err();
        assert_eq!(failure.message, "timed out after 1.5s");
        assert_eq!(started.elapsed(), Duration::from_millis(1_500));
        assert!(endless.list_tools().await.is_ok());
    }

    #[tokio::test]
    async fn without_a_server_every_call_is_denied() {
        let clock = CheckClock::start(Clock::Real, TIMEOUT);
        let mut describing = sandbox::context(Limits::default(), Arc::default(), Arc::default(), clock, None);
        let failure = describing.request("ping".into(), None, None).await.unwrap_err();
        assert_eq!(CallError::from(failure).kind, FailureKind::Denied);
        assert!(describing.defer_call_tool("x".into(), "{}".into()).await.is_err());
        assert!(describing.mcp.finish().await.is_empty());
    }
}
