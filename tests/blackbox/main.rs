//! `mcpd` and `mcpctl` from outside: the built programs, real processes, real connections, one daemon per test.
//!
//! What is asked of the two programs stands in behaviour.md and interfaces.md; each file here is one theme of
//! it. `harness` starts daemons in folders of their own and proves after each test that none of their
//! processes is left.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_input;
mod crash;
mod docker;
mod habits;
mod harness;
mod hostile;
mod leaks;
mod quickstart;
mod real_servers;
mod unverified;
