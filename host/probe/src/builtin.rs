//! The probes that come with mcpd: built by `cargo xtask probes`, kept in `probes/dist/`, part of this program.

use crate::limits::Limits;

/// Their probe only looks whether an answer came: a server with thousands of tools is no less alive for it.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A probe that is part of mcpd. What it calls is read-only, or the tool that `healthCheck.tool` names; it needs
/// no grant beyond a check's own.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// What manifests call it.
    pub name: &'static str,
    /// The component.
    pub component: &'static [u8],
}

/// The default without a `healthCheck` (behaviour 6.2).
pub const LIVENESS: Builtin =
    Builtin { name: "liveness", component: include_bytes!("../../../probes/dist/liveness.wasm") };

/// The probe behind `healthCheck.tool` (behaviour 6.3).
pub const TOOL_CALL: Builtin =
    Builtin { name: "tool-call", component: include_bytes!("../../../probes/dist/tool-call.wasm") };

/// All of them.
pub const ALL: [Builtin; 2] = [LIVENESS, TOOL_CALL];

impl Builtin {
    /// What they may use.
    pub fn limits(&self) -> Limits {
        Limits::default().with_answer_bytes(ANSWER_BYTES)
    }
}
