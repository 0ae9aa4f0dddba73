//! What the engine says when it cannot do something, and how long it may take to say so.

use std::time::Duration;

use bollard::errors::Error;
use tokio::time::timeout;

use super::endpoint::Docker;
use crate::runtime::RuntimeError;

/// Waits for an answer of the engine, no longer than `limit`. `doing` names what is being done and to which
/// thing: `create container demo`.
pub(super) async fn within<T>(
    docker: &Docker,
    doing: &str,
    limit: Duration,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, RuntimeError> {
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| failed(docker, doing, error)),
        Err(_) => Err(RuntimeError::EngineSlow { doing: doing.to_owned(), seconds: limit.as_secs() }),
    }
}

/// The failure of a call in the engine's own words.
pub(super) fn failed(docker: &Docker, doing: &str, error: Error) -> RuntimeError {
    let doing = doing.to_owned();
    match error {
        Error::DockerResponseServerError { message, status_code } => {
            let unsaid = || format!("the engine answered with status {status_code} and no words");
            let reason = if message.is_empty() { unsaid() } else { message };
            RuntimeError::EngineRefused { doing, reason }
        }
        Error::DockerStreamError { error } => RuntimeError::EngineRefused { doing, reason: error },
        Error::IOError { .. } | Error::HyperResponseError { .. } | Error::RequestTimeoutError => {
            RuntimeError::EngineAway { endpoint: docker.endpoint().to_string(), reason: innermost(&error) }
        }
        other => RuntimeError::EngineRefused { doing, reason: other.to_string() },
    }
}

/// The status of the engine's answer, where it refused.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// The innermost words say most: `Connection refused`.
fn innermost(error: &Error) -> String {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}
