//! The mind of mcpd: values in, values out. No async, no IO, no clock, no chance.
//!
//! Start with [`decide`](decide::decide) for what is to be done, [`instance`] for the life of a replica,
//! and [`health`] for what verdicts add up to.

pub mod backoff;
pub mod check;
pub mod conditions;
pub mod decide;
pub mod env;
pub mod event;
#[cfg(test)]
mod fixture;
pub mod health;
pub mod instance;
pub mod name;
pub mod secret;
pub mod server;
pub mod time;
pub mod why;
