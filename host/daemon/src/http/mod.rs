//! The REST API: what people and programs ask of mcpd, and what it answers.
//!
//! ```text
//! serve ─► guard (host, origin, token) ─► routes ─► resources ─► board    (what is known now)
//!                                                        │  └──► engine   (calls, checks, logs)
//!                                                        └─────► apply    (every change of desired state)
//! ```
//!
//! [`routes`] is the whole API on one screen; `resources/` has a file for each part of it, and `views/` makes
//! what they show out of what is known. Every refusal is a problem answer after RFC 9457.
//!
//! No answer holds the value of a secret. The values that stand in a manifest's own `env` are shown as they
//! stand there: who writes a secret into a manifest has published it.

mod api;
mod body;
pub mod engine;
mod guard;
mod limits;
mod query;
mod refusal;
mod resources;
mod routes;
mod serve;
mod sse;
#[cfg(test)]
mod tests;
mod views;

pub use api::{Access, Api};
pub use guard::{Hosts, Token};
pub(crate) use refusal::shown;
pub use routes::routes;
pub use serve::serve;
pub(crate) use views::{instance_view, server_id};
