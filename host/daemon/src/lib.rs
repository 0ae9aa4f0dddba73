//! The daemon: runs MCP servers from manifests and says the truth about them.
//!
//! A library, so that tests and benchmarks reach what the program is made of. Start with [`driver`] for what
//! acts, [`checks`] for what finds out, and [`app`] for how it is put together.

pub mod app;
pub mod apply;
pub mod args;
pub mod chance;
pub mod checks;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod demo_server;
pub mod driver;
pub mod engine;
pub mod http;
pub mod log;
pub mod metrics;
pub mod router;
pub mod runtime;
pub mod secrets;
pub mod serve;
pub mod state;
pub mod store;
pub mod up;
pub mod withheld;
