//! What an operator can set, and the one place where it is read.
//!
//! [`keys`] is one table with a row for each key: its name, its bounds, its documentation and where its
//! value lives in [`Config`]. Reading the file, reading the environment, `mcpd config` and its JSON Schema
//! all walk that table, so none of them can know a key that another one does not. A new key is a field in
//! [`model`] and a row in [`keys`].
//!
//! ```text
//! flags ──┐
//! MCPD_* ─┼─► settings in order of precedence ─► keys ─► Config ─► rules ─► Effective
//! file ───┘             └──────── mistakes, all of them ───────────┘
//! ```

mod checks;
mod environment;
mod file;
mod folders;
mod keys;
mod load;
mod mistake;
mod model;
mod print;
mod rules;
mod schema;
mod setting;
mod shape;
mod suggest;
#[cfg(test)]
mod tests;
mod values;

pub use environment::{Environment, read_environment};
pub use load::{Effective, Sources, load};
pub use mistake::{ConfigError, Mistake, Origin};
pub use model::{
    Auth, Backoff, Checks, Config, Data, DockerRuntime, Listen, LogFormat, Probes, ProcessRuntime, Reconcile,
    Runtime, RuntimeKind, Secrets, Store, Telemetry,
};
pub use schema::schema;
pub use setting::Flag;
