//! A container engine for tests: the one of this machine, asked through its own command line.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use mcpd::runtime::docker::Endpoint;
use tempfile::TempDir;

/// Names what has to be there, as in the black-box tests.
const REQUIRE: &str = "MCPD_TEST_REQUIRE";
/// Debian's package `busybox-static` puts one there.
const BUSYBOX: &str = "/bin/busybox";
/// What the scripts of the tests call.
const APPLETS: [&str; 9] = ["sh", "cat", "sleep", "setsid", "env", "true", "kill", "touch", "httpd"];

/// The image of the tests; it stays, so that the next run finds it.
pub(crate) const IMAGE: &str = "mcpd-test-images/shell";

/// An engine by its socket.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    pub(crate) endpoint: Endpoint,
}

impl Engine {
    /// The engine of this machine, with the image of the tests; `None` where there is none, which is said.
    ///
    /// # Panics
    /// Where none is there and one has to be.
    pub(crate) fn find() -> Option<Self> {
        static THERE: OnceLock<bool> = OnceLock::new();
        let engine = Self { endpoint: Endpoint::find(None, variable).unwrap() };
        let is_there = *THERE.get_or_init(|| {
            let is_there = Path::new(BUSYBOX).exists() && engine.is_there();
            if is_there {
                engine.make_image();
            }
            is_there
        });
        let required = variable(REQUIRE).unwrap_or_default();
        assert!(
            is_there || !required.split(',').any(|word| word == "docker"),
            "{} or {BUSYBOX} is not there, {REQUIRE} wants it",
            engine.endpoint
        );
        if !is_there {
            skip(&format!("{} or {BUSYBOX} is not there", engine.endpoint));
        }
        is_there.then_some(engine)
    }

    /// What the command prints.
    pub(crate) fn docker(&self, args: &[&str]) -> String {
        self.try_docker(args).unwrap()
    }

    /// Whether it answers.
    pub(crate) fn is_there(&self) -> bool {
        self.try_docker(&["version"]).is_ok()
    }

    pub(crate) fn try_docker(&self, args: &[&str]) -> Result<String, String> {
        let Output { status, stdout, stderr } =
            self.command(args).output().map_err(|error| error.to_string())?;
        if status.success() {
            Ok(String::from_utf8(stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&stderr).into_owned())
        }
    }

    /// One field of what the engine knows of a container.
    pub(crate) fn inspect(&self, container: &str, format: &str) -> String {
        self.docker(&["inspect", "--format", format, container])
    }

    /// Makes the image of the tests, unless it is there: a shell and nothing else.
    pub(crate) fn make_image(&self) {
        if self.try_docker(&["image", "inspect", IMAGE]).is_ok() {
            return;
        }
        let tree = tree();
        let archive = program("tar").args(["-c", "."]).current_dir(tree.path()).output().unwrap();
        assert!(archive.status.success());
        let mut import = self.command(&["import", "-", IMAGE]);
        let mut import = import.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        import.stdin.take().unwrap().write_all(&archive.stdout).unwrap();
        assert!(import.wait().unwrap().success());
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program("docker");
        command.arg("-H").arg(self.endpoint.to_string()).args(args);
        command
    }
}

/// Says that a test is left out, past the capture of the test runner, which shows nothing of a test that passes.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

#[expect(clippy::disallowed_methods, reason = "the tests look at the engine with its own tool")]
pub(crate) fn program(name: &str) -> Command {
    Command::new(name)
}

#[expect(clippy::disallowed_methods, reason = "where the engine of a test is is a matter of the machine")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn tree() -> TempDir {
    let tree = tempfile::tempdir().unwrap();
    let bin = tree.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::copy(BUSYBOX, bin.join("busybox")).unwrap();
    for applet in APPLETS {
        std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
    }
    tree
}
