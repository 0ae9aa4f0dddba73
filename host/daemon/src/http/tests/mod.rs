//! The API from its client's side: requests in, answers out, over a store in memory and a fake engine.

mod access;
mod changes;
mod exec;
mod fake;
mod fixture;
mod mistakes;
mod reading;
mod relay;
mod serving;
mod streaming;
