//! The wire of mcpd: manifests, views and problem answers, shared by the daemon and its client.
//!
//! What comes in is read by one validating reader ([`manifest::parse`]) that reports every mistake of a
//! manifest at once; what goes out are the plain structs of [`view`] and [`problem`]. Nothing here waits,
//! opens a file or knows the time.

pub mod bounds;
pub mod exec;
pub mod manifest;
mod mistakes;
pub mod patch;
pub mod problem;
mod reader;
mod seconds;
pub mod show;
mod strict;
mod suggest;
mod text;
pub mod view;
pub mod yaml;

pub use mistakes::FieldError;
pub use strict::{StrictJsonError, read_json};
