//! The daemon: ports, adapters, the reconcile driver, checks and the HTTP API.

pub mod store;
