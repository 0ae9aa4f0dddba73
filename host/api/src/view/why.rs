//! Why a server is as it is, and whether it can be used.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `GET /servers/{name}/why`: what is wrong, since when, what happens next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyView {
    /// One causal sentence.
    pub sentence: String,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// What mcpd does next, in words; `None` where it waits for nothing.
    pub next: Option<String>,
    /// When it does that.
    #[serde(default)]
    pub next_at: Option<Timestamp>,
    /// From what is seen down to its cause, one sentence each.
    pub chain: Vec<String>,
}

/// `GET /servers/{name}/health`, with 200 when `ready` and 503 otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthView {
    /// Name of the server.
    pub server: String,
    /// Whether at least one replica is Ready.
    pub ready: bool,
    /// Whether the function of at least one Ready replica is proven.
    pub verified: bool,
    /// Replicas wanted.
    pub replicas: u32,
    /// Replicas that are Ready.
    pub ready_replicas: u32,
    /// The sentence of [`WhyView`].
    pub sentence: String,
}
