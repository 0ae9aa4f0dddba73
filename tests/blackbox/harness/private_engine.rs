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
use super::wait::{until, until_some};

/// For its start, and for its end: it stops its containers with 10 s of grace, and `containerd` comes after it.
const PATIENCE: Duration = Duration::from_mins(1);
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
    pub(crate) async fn start(options: &'static [&'static str]) -> Option<Self> {
        if !Uid::effective().is_root() || !has_program("dockerd") {
            skipped("a dockerd of our own needs root and the program", "docker");
            return None;
        }
        // The path of a socket has to be short.
        let folder = tempfile::Builder::new().prefix("mcpd-dk-").tempdir_in("/tmp").unwrap();
        let holder = hold_namespaces();
        let child = spawn(folder.path(), &holder, options);
        let mut engine = Self { options, holder, child, folder };
        engine.has_answered().await;
        Some(engine)
    }

    /// How it is spoken to.
    pub(crate) fn engine(&self) -> Engine {
        Engine::at(host(self.folder.path())).unwrap()
    }

    /// SIGTERM: its containers end with it, unless it was started with `--live-restore`.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        until("dockerd ends", PATIENCE, async || self.is_over().then_some(())).await;
    }

    /// `kill -9`: its containers run on, and nobody looks after them.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, after it was stopped or killed.
    pub(crate) async fn start_again(&mut self) {
        self.spawn_again();
        self.has_answered().await;
    }

    /// It takes what is sent to it, and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// It goes on as if nothing had been.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// The `containerd` of a dockerd that was killed dies with it, but not at the same moment, and what waits for
    /// orphans may be slow on this machine: the next dockerd would take one that dies, or is dead, as one that runs.
    fn end_containerd(&self) {
        let file = self.folder.path().join("exec/containerd/containerd.pid");
        let pid = fs::read_to_string(&file).ok().and_then(|pid| pid.trim().parse().ok());
        if let Some(containerd) = pid.and_then(Process::find) {
            containerd.kill(Signal::SIGKILL);
            wait(|| !containerd.is_there());
        }
        let _ = fs::remove_file(file);
    }

    fn signal(&self, signal: Signal) {
        kill(pid(&self.child), signal).unwrap();
    }

    fn spawn_again(&mut self) {
        self.end_containerd();
        self.child = spawn(self.folder.path(), &self.holder, self.options);
    }

    async fn has_answered(&mut self) {
        let answers = until_some(PATIENCE, async || {
            assert!(!self.is_over(), "dockerd ended instead of answering: {}", self.log());
            self.answers().then_some(())
        });
        let answers = answers.await;
        assert!(answers.is_some(), "dockerd does not answer within {PATIENCE:?}: {}", self.log());
    }

    fn answers(&self) -> bool {
        Engine::at(host(self.folder.path())).is_some()
    }

    fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        text[text.floor_char_boundary(text.len().saturating_sub(SHOWN_BYTES))..].to_owned()
    }
}

impl Drop for PrivateEngine {
    /// Containers first: those that outlive their engine would stay for ever.
    fn drop(&mut self) {
        if self.is_over() {
            self.spawn_again();
        }
        self.thaw();
        wait(|| self.answers() || self.is_over());
        if let Some(engine) = Engine::at(host(self.folder.path())) {
            for id in engine.try_docker(&["ps", "-aq"]).unwrap_or_default().lines() {
                let _ = engine.try_docker(&["rm", "-f", id]);
            }
        }
        let _ = kill(pid(&self.child), Signal::SIGTERM);
        wait(|| self.is_over());
        // A containerd that was killed leaves the shims of its containers behind, and the next one takes over not all.
        for left in Process::of(self.folder.path()) {
            left.kill(Signal::SIGKILL);
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Until it is so, or [`PATIENCE`] is at its end.
#[expect(clippy::disallowed_methods, reason = "what is waited for is a real process")]
fn wait(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() && start.elapsed() < PATIENCE {
        thread::sleep(LOOK_EVERY);
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
