//! One `mcpd` under test: its start, what it says, and its end.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::place::Place;
use super::program::{built, root};
use super::said::Said;
use super::wait::{SOON, until};

/// A clean stop gives each server its 2 s and 5 s, all of them at once.
const STOP: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How much of its log is shown where a test fails.
const SHOWN_LINES: usize = 60;
const ANNOUNCEMENT: &str = "listening on ";

/// How a daemon is started.
#[derive(Default)]
pub(crate) struct Launch {
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, String)>,
}

impl Launch {
    pub(crate) fn serve() -> Self {
        Self::default().argument("serve")
    }

    /// `mcpd up` with a file, of the checkout where its path is relative.
    pub(crate) fn up(file: impl AsRef<Path>) -> Self {
        Self::default().argument("up").argument("-f").argument(root().join(file))
    }

    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// A variable of its environment, which has none of ours else.
    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Starts it and waits until it listens.
    pub(crate) async fn start(self, place: &Arc<Place>) -> Daemon {
        let mut daemon = self.spawn(place);
        let url = until("mcpd listens", SOON, async || {
            let ended = daemon.child.try_wait().unwrap();
            assert!(ended.is_none(), "mcpd ended instead of listening: {}", daemon.stderr.text());
            daemon.stderr.after(ANNOUNCEMENT)
        });
        daemon.url = url.await;
        let token = fs::read_to_string(place.data().join("admin.token")).unwrap();
        token.trim().clone_into(&mut daemon.token);
        daemon
    }

    /// Starts it and does not wait for anything.
    #[expect(clippy::disallowed_methods, reason = "the tests start the very program under test")]
    pub(crate) fn spawn(self, place: &Arc<Place>) -> Daemon {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let mut command = Command::new(built("mcpd"));
        command.args(self.arguments).args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(place.data());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MCPD_") {
                command.env_remove(name);
            }
        }
        command.env("TMPDIR", place.path().join("tmp")).env("XDG_CONFIG_HOME", place.path().join("home"));
        if let Some(dock) = place.find_dock() {
            command.env("DOCKER_HOST", dock.engine.host()).env("MCPD_MCP_NETWORK", &dock.network);
        }
        command.envs(self.variables);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Daemon {
            place: Arc::clone(place),
            stdout: Said::read(child.stdout.take().unwrap()),
            stderr: Said::read(child.stderr.take().unwrap()),
            child,
            url: String::new(),
            token: String::new(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }
}

/// A daemon that is ended, in order, where the test lets go of it.
pub(crate) struct Daemon {
    pub(crate) stdout: Said,
    pub(crate) stderr: Said,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(super) http: reqwest::Client,
    child: Child,
    /// Last, so that it is looked through when the daemon is gone.
    pub(crate) place: Arc<Place>,
}

impl Daemon {
    /// One in a place of its own.
    pub(crate) async fn start() -> Self {
        Launch::serve().start(&Place::new()).await
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// `kill -9`, and nothing of its own is done afterwards.
    pub(crate) fn kill(mut self) -> Arc<Place> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Arc::clone(&self.place)
    }

    /// Waits for an end that it comes to by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        until("mcpd ends by itself", SOON, async || self.child.try_wait().unwrap()).await
    }

    /// SIGTERM, and how it ended; none where it did not.
    #[expect(clippy::disallowed_methods, reason = "what is waited for is a real process")]
    pub(crate) fn stop(&mut self) -> Option<ExitStatus> {
        let start = Instant::now();
        if let Some(ended) = self.child.try_wait().unwrap() {
            return Some(ended);
        }
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM).unwrap();
        while start.elapsed() < STOP {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return Some(ended);
            }
            thread::sleep(LOOK_EVERY);
        }
        None
    }

    fn show(&self) {
        let text = self.stderr.text();
        let lines: Vec<_> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
            println!("mcpd: {line}");
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            self.show();
        }
        if self.stop().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
            assert!(thread::panicking(), "mcpd did not end within {STOP:?} of SIGTERM");
        }
    }
}
