//! What the daemon gives a check: the live connection that serves the clients.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use mcpd_core::check::FailureKind;
use serde_json::value::RawValue;

/// The live connection of one instance, as a check sees it.
#[async_trait]
pub trait Calls: Send + Sync {
    /// One MCP request; gives the `result` member of the answer as JSON text, already redacted.
    ///
    /// `timeout` lies a little past the moment at which the host drops this future, which counts as the
    /// client going away (behaviour 7.4): the host's own clock decides what a check is told.
    async fn request(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
        timeout: Duration,
    ) -> Result<String, CallError>;
}

/// Why a call gave no result; `failure` of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// What mcpd does about it.
    pub kind: FailureKind,
    /// Open, stable, kebab-case: `connection-closed`, `http-503`; may be empty.
    pub reason: Cow<'static, str>,
    /// The JSON-RPC error code, for [`FailureKind::Rpc`].
    pub code: Option<i64>,
    /// The upstream's own words, redacted.
    pub message: String,
    /// The JSON-RPC error data as JSON text, redacted.
    pub data: Option<String>,
}

impl CallError {
    /// A failure without code and data.
    pub fn new(kind: FailureKind, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, reason: Cow::Borrowed(reason), code: None, message: message.into(), data: None }
    }
}
