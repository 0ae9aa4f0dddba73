//! The runtimes with real processes: the suite that all pass, and what each promises beyond it.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what only tests use")]

#[path = "../../src/runtime/conformance.rs"]
mod conformance;
mod docker;
mod process;
