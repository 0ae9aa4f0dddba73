//! The probe host from outside, with the built components: what checks find, and what hostile guests can not do.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod builtins;
mod hostile;
mod loading;
mod scenarios;
mod support;
