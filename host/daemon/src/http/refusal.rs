//! How a request fails: one problem answer, made from every error there is.

use std::error::Error;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mcpd_api::exec;
use mcpd_api::problem::{self, Code, Problem};
use mcpd_mcp::CallError;

use super::engine::{LogError, NotExecuted, NotWritten};
use crate::apply::ApplyError;
use crate::checks::NotChecked;
use crate::router::RouteError;
use crate::runtime::RuntimeError;
use crate::store::{Object, StoreError};

/// What a client is told to wait before it tries again: what ails mcpd is looked at within seconds.
const RETRY_AFTER_SECONDS: &str = "5";

/// A request that was refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(Box<Problem>);

/// What a handler gives.
pub(crate) type Answer<T> = Result<T, Refusal>;

impl Refusal {
    /// A refusal of this code; `detail` names the thing.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Problem::new(code, detail).into()
    }

    /// The words of an error and of all that caused it.
    pub(crate) fn of(code: Code, error: &dyn Error) -> Self {
        Problem::new(code, error.to_string()).with_causes(error).into()
    }

    /// No server of that name.
    pub(crate) fn no_server(name: &str) -> Self {
        Self::new(Code::ServerNotFound, format!("there is no server {}", shown(name)))
    }

    /// No instance of that id.
    pub(crate) fn no_instance(id: &str) -> Self {
        Self::new(Code::InstanceNotFound, format!("there is no instance {}", shown(id)))
    }

    /// No secret of that name.
    pub(crate) fn no_secret(name: &str) -> Self {
        Self::new(Code::SecretNotFound, format!("there is no secret {}", shown(name)))
    }

    /// No secret backend of that name.
    pub(crate) fn no_backend(name: &str) -> Self {
        Self::new(Code::SecretBackendNotFound, format!("there is no secret backend {}", shown(name)))
    }
}

/// A text from a request as a message may repeat it: short, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    /// More than any name that exists.
    const SHOWN_CHARACTERS_MAX: usize = 80;
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARACTERS_MAX).collect()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&*self.0).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, problem::CONTENT_TYPE)], body).into_response();
        if let Some((name, value)) = header_of(status) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

fn header_of(status: StatusCode) -> Option<(HeaderName, &'static str)> {
    match status {
        StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, r#"Bearer realm="mcpd""#)),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            Some((header::RETRY_AFTER, RETRY_AFTER_SECONDS))
        }
        StatusCode::UPGRADE_REQUIRED => Some((header::UPGRADE, exec::PROTOCOL)),
        _ => None,
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::AlreadyExists(_) => Code::AlreadyExists,
            StoreError::NotFound(Object::Server(_)) => Code::ServerNotFound,
            StoreError::NotFound(Object::Secret(_)) => Code::SecretNotFound,
            StoreError::NotFound(Object::Backend(_)) => Code::SecretBackendNotFound,
            StoreError::Conflict { .. } => Code::VersionMismatch,
            StoreError::Deleting(_) | StoreError::InUse { .. } => Code::InUse,
            StoreError::Deadline { .. } | StoreError::Failed { .. } => Code::Unavailable,
            StoreError::NotDeleting(_) | StoreError::Corrupt { .. } => Code::Internal,
        };
        if matches!(code, Code::Unavailable | Code::Internal) {
            tracing::error!(error = &error as &dyn Error, "the store failed under a request");
        }
        // What a database says about itself belongs into the log; the answer names what was being done.
        Self::new(code, error.to_string())
    }
}

impl From<NotWritten> for Refusal {
    fn from(error: NotWritten) -> Self {
        Self::of(Code::Unavailable, &error)
    }
}

impl From<RouteError> for Refusal {
    fn from(error: RouteError) -> Self {
        let code = match &error {
            RouteError::NoneReady { .. } | RouteError::NotKnown { .. } => Code::NotReady,
            RouteError::UnknownInstance { .. } => Code::InstanceNotFound,
            RouteError::NotConnected { status: "RUNNING", .. } => Code::NotConnected,
            RouteError::NotConnected { .. } => Code::InstanceNotRunning,
            RouteError::Call { source, .. } => code_of_call(source),
        };
        let problem = Problem::new(code, error.to_string()).with_causes(&error);
        match &error {
            RouteError::Call { source, .. } if code == Code::ConnectionBroken && source.is_unsent() => {
                problem.with_hint("the call was not sent, so it can be made again").into()
            }
            _ => problem.into(),
        }
    }
}

fn code_of_call(error: &CallError) -> Code {
    match error {
        CallError::Timeout { .. } => Code::DeadlineExceeded,
        CallError::Lost { .. } | CallError::NotConnected { .. } => Code::ConnectionBroken,
        CallError::TooManyCalls { .. } | CallError::QueueFull { .. } => Code::TooManyRequests,
        CallError::RequestTooLarge { .. } => Code::TooLarge,
        CallError::AnswerTooLarge { .. } | CallError::Protocol { .. } => Code::BadAnswer,
        CallError::ParamsNotObject { .. } => Code::InvalidRequest,
    }
}

impl From<NotChecked> for Refusal {
    fn from(error: NotChecked) -> Self {
        let code = match &error {
            NotChecked::NotRunning { .. } => Code::InstanceNotRunning,
            NotChecked::NotConnected { .. } => Code::NotConnected,
            NotChecked::Disabled { .. } => Code::ChecksDisabled,
        };
        Self::of(code, &error)
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        Self::of(Code::Unavailable, &error)
    }
}

impl From<NotExecuted> for Refusal {
    fn from(error: NotExecuted) -> Self {
        let code = match &error {
            NotExecuted::NotRunning { .. } | NotExecuted::Runtime(RuntimeError::UnknownInstance { .. }) => {
                Code::InstanceNotRunning
            }
            NotExecuted::Runtime(RuntimeError::NoExec { .. }) => Code::NotInAContainer,
            NotExecuted::Runtime(RuntimeError::EngineAway { .. } | RuntimeError::EngineSlow { .. }) => {
                Code::Unavailable
            }
            NotExecuted::Runtime(_) => Code::CommandNotStarted,
        };
        Self::of(code, &error)
    }
}

impl From<ApplyError> for Refusal {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Refused(problem) => Self(problem),
            ApplyError::Store(error) => error.into(),
            ApplyError::Secret(error) => {
                let words = format!("secret backend {}: {}", error.backend, error.failure);
                Self::new(Code::Unavailable, words)
            }
            ApplyError::Broken(_) | ApplyError::Unreadable(_) => {
                tracing::error!(error = &error as &dyn Error, "a write failed");
                Self::new(Code::Internal, error.to_string())
            }
        }
    }
}
