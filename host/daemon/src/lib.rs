//! The daemon: runs MCP servers from manifests and says the truth about them.

pub mod args;
pub mod checks;
pub mod clock;
pub mod config;
pub mod metrics;
pub mod router;
pub mod state;
pub mod store;
