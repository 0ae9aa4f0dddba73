//! MCP calls through the live connection, with payloads that nobody touches on the way.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The body of `POST /servers/{name}/mcp`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct McpCallRequest {
    /// Any MCP method.
    pub method: String,
    /// Its parameters, an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Box<RawValue>>,
    /// Id of an instance, Ready or not; without it any Ready replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Deadline of the call; mcpd's own default where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<f64>,
}

/// The answer: `result` or `error` as the server gave it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct McpAnswer {
    /// The result, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Box<RawValue>>,
    /// The JSON-RPC error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<McpError>,
}

/// A JSON-RPC error as the server gave it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct McpError {
    /// Its code.
    pub code: i64,
    /// Its message, verbatim.
    pub message: String,
    /// Its data, byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// One tool of `GET /servers/{name}/tools`; what the server says of it beyond this is passed on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolView {
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `inputSchema` and all else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}
