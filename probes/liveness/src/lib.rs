//! The built-in probe of servers without a `healthCheck`: asks for what the server says it has.

use mcpd_probe_sdk::{Description, Failure, Probe, Verdict, export_probe, mcp, pass, target};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The first revision without `ping`; revisions are dates and compare as text.
const FIRST_STATELESS_REVISION: &str = "2026-07-28";

struct Liveness;

impl Probe for Liveness {
    fn describe() -> Description {
        Description::new(
            "liveness",
            env!("CARGO_PKG_VERSION"),
            "asks the server for the first of tools, resources and prompts that it says it has",
        )
    }

    fn run() -> Result<Verdict, Failure> {
        let method = question();
        mcp::request(method, None, None)?;
        Ok(pass(method.to_owned() + " ok"))
    }
}

/// What every server with these capabilities must be able to answer.
fn question() -> &'static str {
    let capabilities = capabilities();
    if capabilities.tools.is_some() {
        "tools/list"
    } else if capabilities.resources.is_some() {
        "resources/list"
    } else if capabilities.prompts.is_some() {
        "prompts/list"
    } else if target::protocol_version().is_some_and(|version| *version >= *FIRST_STATELESS_REVISION) {
        "server/discover"
    } else {
        "ping"
    }
}

#[derive(Default, Deserialize)]
struct ServerInfo {
    #[serde(default)]
    capabilities: Capabilities,
}

#[derive(Default, Deserialize)]
struct Capabilities {
    tools: Option<IgnoredAny>,
    resources: Option<IgnoredAny>,
    prompts: Option<IgnoredAny>,
}

fn capabilities() -> Capabilities {
    let info = target::server_info().unwrap_or_default();
    serde_json::from_str::<ServerInfo>(&info).unwrap_or_default().capabilities
}

export_probe!(Liveness);
