//! Views: what the daemon shows of its state. Readers ignore members they do not know, so that an older
//! client reads a newer daemon.

mod apply;
mod check;
mod event;
mod forgotten;
mod instance;
mod mcp;
mod probe;
mod secret;
mod server;
mod status;
mod why;

use serde::{Deserialize, Serialize};

pub use apply::{ApplyAction, ApplyAnswer, ApplyItem};
pub use check::{CallView, CheckView, LastCheck, LogView, MeasureView, Verdict};
pub use event::{Event, EventType, EventView, WatchMessage};
pub use forgotten::ForgottenView;
pub use instance::{
    Condition, ConditionStatus, ConditionType, HealthStatus, InstanceStatus, InstanceView, RetryView,
};
pub use mcp::{McpAnswer, McpCallRequest, McpError, ToolView};
pub use probe::ProbeView;
pub use secret::{BackendHealth, SecretBackendView, SecretView};
pub use server::{BEING_DELETED, ServerStatus, ServerView};
pub use status::{InstanceCounts, PartState, PartView, ServerCounts, StatusView};
pub use why::{HealthView, WhyView};

/// A list of full views.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListView<T> {
    /// In the order of their names, or of their times.
    pub items: Vec<T>,
}

impl<T> From<Vec<T>> for ListView<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items }
    }
}
