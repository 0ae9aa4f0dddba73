//! The list of what a guest may do. What is not linked here does not exist for it.

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Engine, Result};

use crate::context::CheckContext;
use crate::contract::{clock, mcp, report, state, target, types};

/// Links the five imports of the contract, and WASI that grants nothing (see [`crate::wasi`]).
pub(crate) fn permissions(engine: &Engine) -> Result<Linker<CheckContext>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |context: &mut CheckContext| context)?;
    target::add_to_linker::<_, HasSelf<_>>(&mut linker, |context: &mut CheckContext| context)?;
    clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |context: &mut CheckContext| context)?;
    mcp::add_to_linker::<_, HasSelf<_>>(&mut linker, |context: &mut CheckContext| context)?;
    state::add_to_linker::<_, HasSelf<_>>(&mut linker, |context: &mut CheckContext| context)?;
    report::add_to_linker::<_, HasSelf<_>>(&mut linker, |context: &mut CheckContext| context)?;
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    Ok(linker)
}
