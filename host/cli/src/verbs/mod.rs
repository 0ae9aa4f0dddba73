//! The verbs, one file each.

pub(crate) mod apply;
pub(crate) mod call;
pub(crate) mod check;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod get;
pub(crate) mod logs;
mod manifests;
pub(crate) mod restart;
pub(crate) mod status;
pub(crate) mod tools;
pub(crate) mod version;
mod view;
pub(crate) mod wait;
mod watch;
pub(crate) mod why;
