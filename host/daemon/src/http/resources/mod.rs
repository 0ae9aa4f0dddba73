//! What the API is about, one file each; what they have in common is in [`object`].

pub(super) mod apply;
pub(super) mod backends;
pub(super) mod calls;
pub(super) mod checks;
pub(super) mod daemon;
pub(super) mod events;
pub(super) mod exec;
pub(super) mod instances;
pub(super) mod logs;
pub(super) mod object;
pub(super) mod secrets;
pub(super) mod servers;
pub(super) mod watch;
