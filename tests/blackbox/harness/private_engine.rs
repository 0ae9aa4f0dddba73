//! An engine of one test alone, which may be stopped, killed and frozen.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use tempfile::TempDir;

use super::engine::Engine;
use super::process::Process;
use super::program::{has_program, skipped};

/// For its start, and for its end: it stops its containers with 10 s of grace, and `containerd` comes after it.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longer than any test; then what a killed test run has left ends by itself.
const HELD_SECONDS: &str = "3600";
/// The end of its log that is shown where it does not start.
const SHOWN_BYTES: usize = 4 << 10;

/// A `dockerd` with folders of its own, in namespaces of its own: it would remove the bridge of the machine's
/// engine otherwise, and leave mounts behind. Its containers have no way out.
pub(crate) struct PrivateEngine {
    options: &'static [&'static str],
    /// Keeps the namespaces while no dockerd is there.
    holder: Child,
    child: Child,
    folder: TempDir,
}

impl PrivateEngine {
    /// One that runs; where none can be started, a line says that the test is skipped.
    ///
    /// # Panics
    /// Where none can be started and one has to be.
    pub(crate) fn start(options: &'static [&'static str]) -> Option<Self> {
        if !Uid::effective().is_root() || !has_program("dockerd") {
            skipped("a dockerd of our own needs root and the program", "docker");
            return None;
        }
        // The path of a socket has to be short.
        let folder = tempfile::Builder::new().prefix("mcpd-dk-").tempdir_in("/tmp").unwrap();
        let holder = hold_namespaces();
        let child = spawn(folder.path(), &holder, options);
        let mut engine = Self { options, holder, child, folder };
        engine.wait_until_it_answers();
        Some(engine)
    }

    /// How it is spoken to.
    pub(crate) fn engine(&self) -> Engine {
        Engine::at(host(self.folder.path())).unwrap()
    }

    /// SIGTERM: its containers end with it, unless it was started with `--live-restore`.
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        assert!(self.has_ended(), "dockerd did not end within {PATIENCE:?}");
    }

    /// `kill -9`: its containers run on, and nobody looks after them.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, after it was stopped or killed.
    pub(crate) fn start_again(&mut self) {
        self.forget_dead_containerd();
        self.child = spawn(self.folder.path(), &self.holder, self.options);
        self.wait_until_it_answers();
    }

    /// It takes what is sent to it, and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// It goes on as if nothing had been.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What waits for orphans may be slow on this machine, or not be there: dockerd would take a `containerd` that
    /// is dead and not waited for as one that runs.
    fn forget_dead_containerd(&self) {
        let file = self.folder.path().join("exec/containerd/containerd.pid");
        let pid = fs::read_to_string(&file).ok().and_then(|pid| pid.trim().parse().ok());
        if pid.and_then(Process::find).is_some_and(|process| process.state == 'Z') {
            fs::remove_file(file).unwrap();
        }
    }

    fn signal(&self, signal: Signal) {
        kill(pid(&self.child), signal).unwrap();
    }

    #[expect(clippy::disallowed_methods, reason = "what is waited for is a real process")]
    fn wait_until_it_answers(&mut self) {
        let start = Instant::now();
        while Engine::at(host(self.folder.path())).is_none() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "dockerd does not answer: {}", self.log());
            thread::sleep(LOOK_EVERY);
        }
    }

    #[expect(clippy::disallowed_methods, reason = "what is waited for is a real process")]
    fn has_ended(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            thread::sleep(LOOK_EVERY);
        }
        false
    }

    fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        text[text.floor_char_boundary(text.len().saturating_sub(SHOWN_BYTES))..].to_owned()
    }
}

impl Drop for PrivateEngine {
    /// Containers first: those that outlive their engine would stay for ever.
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
            self.start_again();
        }
        self.thaw();
        self.wait_until_it_answers();
        let engine = self.engine();
        for id in engine.try_docker(&["ps", "-aq"]).unwrap_or_default().lines() {
            let _ = engine.try_docker(&["rm", "-f", id]);
        }
        self.stop();
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }
}

fn host(folder: &Path) -> String {
    format!("unix://{}", folder.join("docker.sock").display())
}

#[expect(clippy::disallowed_methods, reason = "the tests start an engine that they may end")]
fn hold_namespaces() -> Child {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--propagation", "private", "sleep", HELD_SECONDS]);
    let holder = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    // From then on it is in them; before, it would be this process's own that are entered.
    while Process::find(pid(&holder).as_raw()).is_none_or(|process| !process.command.starts_with("sleep")) {
        thread::sleep(LOOK_EVERY);
    }
    holder
}

/// Both programs become the one that they start, so the child is the engine itself.
#[expect(clippy::disallowed_methods, reason = "the tests start an engine that they may end")]
fn spawn(folder: &Path, holder: &Child, options: &[&str]) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = Command::new("nsenter");
    command.args(["--net", "--mount", "-t", &holder.id().to_string(), "dockerd"]);
    command.arg("--data-root").arg(folder.join("data")).arg("--exec-root").arg(folder.join("exec"));
    command.arg("--pidfile").arg(folder.join("pid")).args(["-H", &host(folder)]);
    command.args(["--bridge", "none", "--iptables=false"]).args(options);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}
