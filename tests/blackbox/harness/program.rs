//! Where the programs are, and which of those that some tests need are there.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Names what has to be there: a comma list of `node`, `python`, `docker`. CI sets it, so that nothing is skipped there.
const REQUIRE: &str = "MCPD_TEST_REQUIRE";

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A program of this workspace, beside the fixture that cargo names for us.
pub(crate) fn built(name: &str) -> PathBuf {
    let path = hostile_server().with_file_name(name);
    assert!(
        path.exists(),
        "{name} is not built: `cargo build --workspace --bins`, or test the whole workspace"
    );
    path
}

/// The fixture that misbehaves; its modes stand at the head of its source.
pub(crate) fn hostile_server() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_hostile-server"))
}

/// Whether a test that needs `program` (of the toolchain `what`) is left out, which it says.
///
/// # Panics
/// Where it is not there and has to be.
pub(crate) fn is_skipped(program: &str, what: &str) -> bool {
    let is_missing = !has_program(program);
    if is_missing {
        skipped(&format!("{program} is not there"), what);
    }
    is_missing
}

/// Whether it is on `PATH`.
pub(crate) fn has_program(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Says that a test is left out, and why.
///
/// # Panics
/// Where `what` has to be there.
#[expect(clippy::disallowed_methods, reason = "what has to be there is a matter of the machine")]
pub(crate) fn skipped(reason: &str, what: &str) {
    let required = std::env::var(REQUIRE).unwrap_or_default();
    assert!(!required.split(',').any(|word| word == what), "{reason}, {REQUIRE} wants it");
    // Written past the capture of the test runner, which shows nothing of a test that passes.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}
