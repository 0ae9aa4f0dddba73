//! The daemon: runs MCP servers from manifests and says the truth about them.

pub mod args;
pub mod config;
pub mod metrics;
