//! The daemon: ports, adapters, the reconcile driver, checks and the HTTP API.

pub mod chance;
pub mod data_dir;
pub mod secrets;
pub mod store;
