//! A folder for the daemons of one test, and the proof that nothing of them is left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::dock::Dock;
use super::engine::Engine;
use super::process::Process;

/// How long a guardian whose mcpd was killed may take: 2 s, TERM, 5 s, KILL, on a busy machine.
const ALL_GONE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Data folder, home folder and folder for temporary files of the daemons of one test. Each process that comes
/// from one of them names it in its environment, because `TMPDIR` is passed on: so all of them are found.
pub(crate) struct Place {
    folder: TempDir,
    dock: Option<Dock>,
}

impl Place {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(None)
    }

    /// One whose daemons run containers in the engine of this machine; where there is none, the test is skipped.
    pub(crate) fn docked() -> Option<Arc<Self>> {
        Engine::find().map(|engine| Self::on(&engine))
    }

    /// One whose daemons run containers in this engine.
    pub(crate) fn on(engine: &Engine) -> Arc<Self> {
        Self::with(Some(Dock::new(engine)))
    }

    fn with(dock: Option<Dock>) -> Arc<Self> {
        let folder = tempfile::Builder::new().prefix("mcpd-test-").tempdir().unwrap();
        for name in ["home", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Arc::new(Self { folder, dock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Where its containers lie.
    ///
    /// # Panics
    /// Where it was made without an engine.
    pub(crate) fn dock(&self) -> &Dock {
        self.find_dock().unwrap()
    }

    pub(super) fn find_dock(&self) -> Option<&Dock> {
        self.dock.as_ref()
    }

    /// Every process that comes from a daemon of this place, those daemons too.
    pub(crate) fn processes(&self) -> Vec<Process> {
        Process::of(self.path())
    }
}

impl Drop for Place {
    #[expect(clippy::disallowed_methods, reason = "what is waited for are real processes")]
    fn drop(&mut self) {
        let start = Instant::now();
        while !self.processes().is_empty() && start.elapsed() < ALL_GONE {
            thread::sleep(LOOK_EVERY);
        }
        let left = self.processes();
        for process in &left {
            process.kill(Signal::SIGKILL);
        }
        assert!(left.is_empty() || thread::panicking(), "left behind after {ALL_GONE:?}: {left:#?}");
    }
}
