//! `mcpctl` from outside: the program itself against a fake daemon.

mod apply;
mod calls;
mod contexts;
mod errors;
mod fake;
mod following;
mod reading;
mod run;
mod waiting;
