//! The built-in probe behind `healthCheck.tool`: calls the tool with its arguments, and hands a failure on.

use mcpd_probe_sdk::{Description, Failure, Probe, Verdict, export_probe, mcp, pass, target, unknown};

struct ToolCall;

impl Probe for ToolCall {
    fn describe() -> Description {
        Description::new("tool-call", env!("CARGO_PKG_VERSION"), "calls the tool that healthCheck.tool names")
    }

    fn run() -> Result<Verdict, Failure> {
        let Some(tool) = target::tool() else {
            return Ok(unknown("healthCheck.tool is not set, so there is no tool to call"));
        };
        mcp::call_tool(&tool, &target::arguments(), None)?;
        Ok(pass("ok"))
    }
}

export_probe!(ToolCall);
