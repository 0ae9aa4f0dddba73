//! `probes/dist/`: the built components and a manifest that says what built them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::guests::{self, Components};
use crate::toolchain::Toolchain;

const MANIFEST: &str = "manifest.json";

/// What built the committed components, and their sums.
pub(crate) struct Manifest {
    pub(crate) toolchain: String,
    pub(crate) target: String,
    pub(crate) sums: BTreeMap<String, String>,
}

/// The folder of the built components.
pub(crate) fn folder() -> PathBuf {
    guests::root().join("probes/dist")
}

/// Builds the guests into the folder.
pub(crate) fn write() -> Result<()> {
    let toolchain = Toolchain::find()?;
    let components = guests::build(toolchain)?;
    for (path, bytes) in &components {
        let file = folder().join(path);
        fs::create_dir_all(file.parent().context("a file without a folder")?)?;
        fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
        println!("{path}: {} bytes", bytes.len());
    }
    let manifest = json!({
        "toolchain": toolchain.version()?,
        "target": toolchain.target(),
        "components": sums(&components),
    });
    fs::write(folder().join(MANIFEST), format!("{manifest:#}\n"))?;
    Ok(())
}

/// Reads what the committed components were built with.
pub(crate) fn manifest() -> Result<Manifest> {
    let path = folder().join(MANIFEST);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let manifest: Value = serde_json::from_str(&text)?;
    let word = |name: &str| manifest[name].as_str().unwrap_or_default().to_owned();
    let sums = serde_json::from_value(manifest["components"].clone()).context("the manifest's components")?;
    Ok(Manifest { toolchain: word("toolchain"), target: word("target"), sums })
}

/// The sums of components, by path.
pub(crate) fn sums(components: &Components) -> BTreeMap<String, String> {
    components.iter().map(|(path, bytes)| ((*path).to_owned(), sum(bytes))).collect()
}

/// The sum that the manifest holds.
pub(crate) fn sum(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}
