//! What happened, to one instance or anywhere.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{InstanceView, ServerView};

/// One thing that happened, or the same thing several times (behaviour 2.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Whether somebody should look.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// One word in camel case, for programs: `HealthCheckFailed`.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
    /// How often in a row.
    pub count: u32,
    /// The first time.
    pub timestamp: Timestamp,
    /// The last time.
    pub last_timestamp: Timestamp,
}

/// Whether somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

/// An event with the thing it happened to: an item of `GET /events`, and the data of each server-sent
/// event of `GET /events?follow=true`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// The server; `None` for what concerns mcpd as a whole.
    pub server: Option<String>,
    /// The instance, where it is about one.
    pub instance: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// The data of one server-sent event of `GET /watch`. It starts with one `Instance` or `Server` for all
/// that is there, then `Synced`, then each change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "camelCase")]
pub enum WatchMessage {
    /// A server was made or changed.
    Server(Box<ServerView>),
    /// An instance was made or changed.
    Instance(Box<InstanceView>),
    /// A server is gone; its name.
    ServerGone(String),
    /// An instance is gone; its id.
    InstanceGone(String),
    /// All that was there has been sent.
    Synced,
}
