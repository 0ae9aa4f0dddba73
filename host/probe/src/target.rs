//! What is being checked: made once per instance by the daemon, shared by its checks.

/// The facts behind the import `target`. JSON members are JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the server.
    pub server: String,
    /// Id of the replica.
    pub instance: String,
    /// `stdio`, `sse`, `streamable-http`.
    pub transport: String,
    /// MCP revision of the live connection; none before the first exchange.
    pub protocol_version: Option<String>,
    /// What the server said of itself, as JSON.
    pub server_info: Option<String>,
    /// Open facts, a JSON object.
    pub info: String,
    /// `healthCheck.config`, a JSON object.
    pub config: String,
    /// `healthCheck.tool`.
    pub tool: Option<String>,
    /// `healthCheck.arguments`, a JSON object.
    pub arguments: String,
}

impl Default for Target {
    /// The empty values that `describe` sees.
    fn default() -> Self {
        let object = || "{}".to_owned();
        Self {
            server: String::new(),
            instance: String::new(),
            transport: String::new(),
            protocol_version: None,
            server_info: None,
            info: object(),
            config: object(),
            tool: None,
            arguments: object(),
        }
    }
}
