//! The runtimes with real processes: the suite that all pass, and what each promises beyond it.

#[path = "../../src/runtime/conformance.rs"]
mod conformance;
mod process;
