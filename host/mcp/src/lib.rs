//! Live MCP connections: one per instance, shared by clients and checks (behaviour.md, section 7).
//!
//! ```text
//!             request()                          ┌─────────► outbox ──► stdin
//! caller ───► Connection ──► calls (id → waiting) ┘                        │
//!    ▲                          ▲                                       server
//!    └────── answer ────────────┴──── reader ◄── lines ◄── stdout ◄────────┘
//! ```
//!
//! The happy path: a caller's frame is written by the caller itself, straight into the pipe; the one
//! reading task splits lines, looks at the envelope of each, never into its payload, and wakes whom
//! the id belongs to. Failures: what is not JSON-RPC goes to the log, what belongs to nobody is
//! counted and dropped, what is over a bound ends that one call, and when the stream ends every call
//! under way ends with it, with an error that says so.
//!
//! Parameters and results pass as raw JSON: nothing here decodes, re-orders or re-serialises them.

mod answer;
mod calls;
mod connection;
mod envelope;
mod error;
mod frame;
mod handshake;
mod lines;
mod link;
mod meta;
mod options;
mod outbox;
mod pipe;
mod reader;
mod traffic;

pub use answer::{Answer, RpcError};
pub use calls::{Caller, InFlight};
pub use connection::Connection;
pub use error::{CallError, CloseReason, ConnectError};
pub use options::{ClientInfo, ConnectOptions, ID_START_MAX, Limits, Noise, known_version};
pub use rmcp::model::ProtocolVersion;
pub use traffic::Traffic;
