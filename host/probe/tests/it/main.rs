//! The probe host from outside, with the built components: what checks find, and what hostile guests can not do.

mod builtins;
mod hostile;
mod loading;
mod scenarios;
mod support;
