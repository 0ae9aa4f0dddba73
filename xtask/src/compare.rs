//! Whether the committed components are what the source gives.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, bail};
use wit_parser::decoding::{DecodedWasm, decode};

use crate::dist;
use crate::guests::Components;
use crate::toolchain::Toolchain;
use crate::{guests, toolchain};

/// Read by `host/probe/tests/it/scenarios.rs`.
const REBUILT: &str = "MCPD_REBUILT_PROBES";

/// Rebuilds the guests and compares: bytes where the toolchain is the recorded one, otherwise worlds.
pub(crate) fn check() -> Result<()> {
    let recorded = dist::manifest()?;
    committed_is_recorded(&recorded)?;
    let toolchain = Toolchain::find()?;
    let rebuilt = guests::build(toolchain)?;
    if recorded.toolchain == toolchain.version()? && recorded.target == toolchain.target() {
        same_bytes(&rebuilt, &recorded)?;
        println!("{} components are what the source gives, byte for byte", rebuilt.len());
    } else {
        same_worlds(&rebuilt)?;
        same_scenarios(&rebuilt)?;
        println!("recorded toolchain is another ({}): compared by world and scenarios", recorded.toolchain);
    }
    Ok(())
}

fn committed_is_recorded(recorded: &dist::Manifest) -> Result<()> {
    for (path, sum) in &recorded.sums {
        if dist::sum(&committed(path)?) != *sum {
            bail!("probes/dist/{path} is not the file that the manifest records");
        }
    }
    Ok(())
}

fn same_bytes(rebuilt: &Components, recorded: &dist::Manifest) -> Result<()> {
    let sums = dist::sums(rebuilt);
    if sums == recorded.sums {
        return Ok(());
    }
    let different: Vec<_> = sums.iter().filter(|(path, sum)| recorded.sums.get(*path) != Some(sum)).collect();
    bail!("not what the source gives, run `cargo xtask probes`: {different:?}")
}

fn same_worlds(rebuilt: &Components) -> Result<()> {
    for (path, bytes) in rebuilt {
        let (source, committed) = (world(bytes)?, world(&committed(path)?)?);
        if source != committed {
            bail!("probes/dist/{path} has another world than its source: {committed:?}, not {source:?}");
        }
    }
    Ok(())
}

/// The scenarios of the built-in probes are a test of `mcpd-probe`, which takes the components named here.
fn same_scenarios(rebuilt: &Components) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (path, bytes) in rebuilt.iter().filter(|(path, _)| !path.contains('/')) {
        fs::write(folder.path().join(path), bytes)?;
    }
    let arguments = ["test", "--package", "mcpd-probe", "--test", "it", "scenarios::"];
    let status = toolchain::command("cargo").args(arguments).env(REBUILT, folder.path()).status()?;
    if status.success() { Ok(()) } else { bail!("the rebuilt probes do not hold their scenarios") }
}

fn committed(path: &str) -> Result<Vec<u8>> {
    let file = dist::folder().join(path);
    fs::read(&file).with_context(|| format!("reading {}", file.display()))
}

/// Imports and exports by name. WASI is left out: which of it is linked is the toolchain's affair.
fn world(component: &[u8]) -> Result<BTreeSet<String>> {
    let DecodedWasm::Component(resolve, world) = decode(component)? else { bail!("not a component") };
    let world = &resolve.worlds[world];
    let imports = world.imports.keys().map(|key| format!("import {}", resolve.name_world_key(key)));
    let exports = world.exports.keys().map(|key| format!("export {}", resolve.name_world_key(key)));
    Ok(imports.chain(exports).filter(|name| !name.starts_with("import wasi:")).collect())
}
