//! The mind of mcpd: values in, values out. No async, no IO, no clock, no chance.

pub mod check;
pub mod name;
pub mod secret;
