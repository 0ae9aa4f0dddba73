//! What can build guests on this machine: rustup with a wasm32 target, else Debian's Rust with its sources.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-19";

/// One way of building guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// rustup's `wasm32-unknown-unknown`: core modules without any WASI import.
    RustupUnknown,
    /// rustup's `wasm32-wasip2`: components that import WASI.
    RustupWasip2,
    /// Debian's `rustc-web cargo-web rust-web-src lld-19`, which build the standard library too.
    Debian,
}

impl Toolchain {
    /// The first that is there; the one without WASI imports before the one with them.
    pub(crate) fn find() -> Result<Self> {
        let rustup = output(command("rustup").args(["target", "list", "--installed"])).unwrap_or_default();
        if rustup.lines().any(|target| target == Self::RustupUnknown.target()) {
            Ok(Self::RustupUnknown)
        } else if [DEBIAN_CARGO, DEBIAN_RUSTC, DEBIAN_LINKER].iter().all(|path| Path::new(path).exists()) {
            Ok(Self::Debian)
        } else if rustup.lines().any(|target| target == Self::RustupWasip2.target()) {
            Ok(Self::RustupWasip2)
        } else {
            bail!(
                "nothing here builds WebAssembly: run `rustup target add wasm32-unknown-unknown`, or install \
                 Debian's rustc-web, cargo-web, rust-web-src and lld-19"
            )
        }
    }

    /// The compilation target.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::RustupUnknown | Self::Debian => "wasm32-unknown-unknown",
            Self::RustupWasip2 => "wasm32-wasip2",
        }
    }

    /// Whether the compiler's output still has to be made a component.
    pub(crate) fn gives_core_modules(self) -> bool {
        self != Self::RustupWasip2
    }

    /// A word and a version that together say which bytes come out.
    pub(crate) fn version(self) -> Result<String> {
        let compiler = output(command(self.rustc()).arg("--version"))?;
        Ok(match self {
            Self::Debian => {
                format!("{}; {}", compiler, output(command(DEBIAN_LINKER).arg("--version"))?)
            }
            _ => compiler,
        })
    }

    /// Where the compiler keeps the sources of the standard library, for they show up in panic messages.
    pub(crate) fn sysroot(self) -> Result<PathBuf> {
        Ok(output(command(self.rustc()).args(["--print", "sysroot"]))?.into())
    }

    /// `cargo build --release` for guests.
    pub(crate) fn cargo_build(self) -> Command {
        let mut cargo = command(if self == Self::Debian { DEBIAN_CARGO } else { "cargo" });
        cargo.args(["build", "--release", "--locked", "--target", self.target()]);
        if self == Self::Debian {
            cargo
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC", DEBIAN_RUSTC)
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER);
        }
        cargo
    }

    fn rustc(self) -> &'static str {
        if self == Self::Debian { DEBIAN_RUSTC } else { "rustc" }
    }
}

/// A program of the toolchain.
#[expect(clippy::disallowed_methods, reason = "a build tool of the workspace, no part of the programs")]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
