//! Why a check that somebody asked for cannot be made.

use jiff::Timestamp;
use mcpd_core::name::{InstanceId, ServerName};
use thiserror::Error;

/// Why an instance cannot be checked now.
#[derive(Debug, Error)]
pub enum NotChecked {
    /// It does not run.
    #[error("instance {instance} is {status}, and only a RUNNING one is checked")]
    NotRunning {
        /// The instance.
        instance: InstanceId,
        /// Its status.
        status: &'static str,
    },
    /// It is starting up: nothing can be said of it yet (behaviour 6.1).
    #[error("instance {instance} is not connected yet, and until {until} that says nothing of its health")]
    NotConnected {
        /// The instance.
        instance: InstanceId,
        /// When a check of it fails for want of a connection.
        until: Timestamp,
    },
    /// Its server says so.
    #[error("the checks of server {server} are disabled (healthCheck.disabled)")]
    Disabled {
        /// The server.
        server: ServerName,
    },
}
