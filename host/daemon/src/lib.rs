//! The daemon: runs MCP servers from manifests and says the truth about them.

pub mod chance;
pub mod clock;
pub mod data_dir;
pub mod secrets;
pub mod store;
