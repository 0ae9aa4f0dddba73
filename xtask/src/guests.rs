//! Builds the guests: the same source and toolchain give the same bytes, wherever the checkout lies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

use crate::toolchain::Toolchain;

/// Where each guest goes below `probes/dist/`, by its crate's name.
const GUESTS: [(&str, &str); 7] = [
    ("liveness", "liveness.wasm"),
    ("tool-call", "tool-call.wasm"),
    ("hostile-run", "hostile/run.wasm"),
    ("hostile-describe", "hostile/describe.wasm"),
    ("hostile-start", "hostile/start.wasm"),
    ("hostile-wasi", "hostile/wasi.wasm"),
    ("hostile-other-world", "hostile/other-world.wasm"),
];

/// Small, because a fresh instance touches it: every page costs.
const GUEST_STACK_BYTES: u32 = 64 * 1024;

/// The components, by their path below `probes/dist/`.
pub(crate) type Components = BTreeMap<&'static str, Vec<u8>>;

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Builds all guests.
pub(crate) fn build(toolchain: Toolchain) -> Result<Components> {
    let workspace = root().join("probes");
    let target = workspace.join("target");
    let mut cargo = toolchain.cargo_build();
    cargo
        .current_dir(&workspace)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain)?.join("\u{1f}"))
        // Set by the cargo that runs this very program, and for another workspace.
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTUP_TOOLCHAIN");
    if !cargo.status().context("starting cargo")?.success() {
        bail!("the guests did not build");
    }
    let built = target.join(toolchain.target()).join("release");
    GUESTS.iter().map(|(name, path)| Ok((*path, component(toolchain, &built, name)?))).collect()
}

/// Paths of this machine must neither be published nor change the bytes.
fn flags(toolchain: Toolchain) -> Result<Vec<String>> {
    let registry = cargo_home().join("registry/src");
    let mut flags = vec![format!("-Clink-arg=-zstack-size={GUEST_STACK_BYTES}")];
    flags.push(remap(&root(), "/mcpd"));
    flags.push(remap(&toolchain.sysroot()?.join("lib/rustlib/src/rust"), "/rustc"));
    for index in fs::read_dir(&registry).into_iter().flatten().flatten() {
        flags.push(remap(&index.path(), "/registry"));
    }
    Ok(flags)
}

fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

#[expect(clippy::disallowed_methods, reason = "a build tool of the workspace, no part of the programs")]
fn cargo_home() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".cargo");
    std::env::var("CARGO_HOME").map_or_else(|_| home(), PathBuf::from)
}

fn component(toolchain: Toolchain, built: &Path, name: &str) -> Result<Vec<u8>> {
    let path = built.join(format!("{}.wasm", name.replace('-', "_")));
    let wasm = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    if !toolchain.gives_core_modules() {
        return Ok(wasm);
    }
    let mut encoder = ComponentEncoder::default();
    encoder.module(&wasm).with_context(|| format!("{name} has no component type"))?.validate(true);
    encoder.encode().with_context(|| format!("making {name} a component"))
}
