//! `mcpctl` from outside: the program itself against a fake daemon.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::needless_pass_by_value, reason = "`json!` values read better where they are given away")]

mod apply;
mod calls;
mod contexts;
mod errors;
mod exec;
mod fake;
mod following;
mod reading;
mod run;
mod waiting;
