//! The probe host of mcpd: runs readiness probes, WebAssembly components, under hard limits.
//!
//! [`ProbeHost::load`] compiles a component (or finds its compiled code), checks that it is made for the
//! contract in `wit/`, and asks it once what it is. [`ProbeHost::check`] runs it against one live replica in a
//! fresh sandbox that is thrown away afterwards. What the sandbox can do is listed in `linker`; how a check may
//! end is listed in `outcome`.

mod answer;
pub mod builtin;
mod cache;
mod calls;
mod clock;
mod context;
mod contract;
mod engine;
mod failure;
mod grant;
mod host;
mod imports;
mod limiter;
mod limits;
mod linker;
mod load;
mod log;
mod mcp;
mod meter;
mod outcome;
mod params;
mod probe;
mod report;
mod sandbox;
pub mod scenario;
mod state;
mod target;
mod text;
mod ticker;
mod wasi;

pub use calls::{CallError, Calls};
pub use clock::Clock;
pub use contract::{CONTRACT_VERSION, World, WorldError, inspect};
pub use grant::Grant;
pub use host::{Check, HostConfig, HostError, ProbeHost};
pub use limits::{COMPONENT_BYTES_MAX, Limits};
pub use load::{Cause, LoadError};
pub use probe::{Description, Probe};
pub use report::CheckReport;
pub use state::{State, StateWrites};
pub use target::Target;
