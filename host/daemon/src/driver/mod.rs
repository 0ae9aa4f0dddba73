//! The one place that acts: brings what runs in line with what is wanted.
//!
//! ```text
//!  bell | runtime event | nextRetryAt | scan ─► observe ─► decide ─► execute ─► write down ─► publish
//!                                      (server.rs)   (mcpd-core)   (attempt.rs, stop.rs, link.rs)
//!  attempt: adopt what runs, else resolve secrets and start ─► run ─► link ─► ended ─► over, or reattach
//!  (attempt.rs)  (adopt.rs)                                 (run.rs) (link.rs) (parting.rs, reattach.rs)
//!  runtime: exited | away | back | scan ─► exits.rs, sight.rs, orphans.rs   (watch.rs)
//! ```
//!
//! One task per server ([`server`]); it never waits for an attempt or a stop, which run beside it, one per
//! instance at most. A bell says *look*, never *what changed*. A retry is made in one place only: the next
//! pass. What crashes comes back ([`boot`]).

mod adopt;
mod attempt;
mod boot;
mod context;
mod exits;
mod fleet;
mod launch;
mod link;
mod orphans;
mod parting;
mod reattach;
mod run;
#[cfg(test)]
mod scenarios;
mod server;
mod sight;
mod stop;
#[cfg(test)]
pub(crate) mod test_support;
mod watch;

pub use context::{Context, Settings};
pub use fleet::Fleet;
