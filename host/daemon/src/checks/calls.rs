//! Calls of a check through the live connection, with every secret masked before it enters a guest.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use mcpd_core::check::FailureKind;
use mcpd_core::secret::Redactor;
use mcpd_mcp::{Answer, Caller, Connection, RpcError};
use mcpd_probe::{CallError, Calls};
use serde_json::value::RawValue;

/// The one connection of an instance, as its checks use it (behaviour 6.5).
pub(super) struct LiveCalls {
    connection: Connection,
    redactor: Redactor,
}

impl LiveCalls {
    pub(super) fn new(connection: Connection, redactor: Redactor) -> Self {
        Self { connection, redactor }
    }

    fn rpc_error(&self, error: &RpcError) -> CallError {
        CallError {
            kind: FailureKind::Rpc,
            reason: Cow::Borrowed("rpc-error"),
            code: Some(error.code),
            message: self.redactor.mask(&error.message).into_owned(),
            data: error
                .data
                .as_ref()
                .and_then(|data| Some(self.redactor.mask_json(data.get())?.into_owned())),
        }
    }

    fn call_error(&self, error: &mcpd_mcp::CallError) -> CallError {
        CallError {
            kind: error.kind(),
            reason: Cow::Borrowed(error.reason()),
            code: None,
            message: self.redactor.mask_owned(error.to_string()),
            data: None,
        }
    }

    /// The text of a result with its secrets masked; where that cannot be done, nothing is handed on.
    fn masked(&self, result: Box<RawValue>) -> Result<String, CallError> {
        let text = String::from(Box::<str>::from(result));
        match self.redactor.mask_json(&text) {
            Some(Cow::Borrowed(_)) => Ok(text),
            Some(Cow::Owned(masked)) => Ok(masked),
            None => {
                let words = "the answer holds a secret where it cannot be masked";
                Err(CallError::new(FailureKind::Unsupported, "secret-in-answer", words))
            }
        }
    }
}

#[async_trait]
impl Calls for LiveCalls {
    async fn request(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
        timeout: Duration,
    ) -> Result<String, CallError> {
        match self.connection.request(Caller::Check, method, params.as_deref(), timeout).await {
            Ok(Answer::Result(result)) => self.masked(result),
            Ok(Answer::Error(error)) => Err(self.rpc_error(&error)),
            Err(error) => Err(self.call_error(&error)),
        }
    }
}
