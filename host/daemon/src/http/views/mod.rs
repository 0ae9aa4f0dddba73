//! What the API shows, made out of what is known: values in, views out.

mod check;
mod condition;
mod event;
mod instance;
mod secret;
mod server;
mod status;
#[cfg(test)]
pub(super) mod tests;
mod why;

pub(crate) use check::check_view;
pub(crate) use event::{event_of_row, events_of};
pub(crate) use instance::instance_view;
pub(crate) use secret::{backend_view, builtin_backend_view, secret_view};
pub(crate) use server::{Replicas, server_id, server_view};
pub(crate) use status::{instance_counts, server_counts};
pub(crate) use why::{health_view, why_view};

/// A counter of the store, which is never negative.
fn version(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A count of things there are few of.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
