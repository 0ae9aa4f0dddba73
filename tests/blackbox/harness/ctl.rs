//! Runs `mcpctl` against a daemon under test.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::daemon::Daemon;
use super::program::{built, root};

/// Far beyond what any of its commands may take here.
const DEADLINE: Duration = Duration::from_secs(90);

/// How a run of `mcpctl` ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Its stdout.
    ///
    /// # Panics
    /// When it failed.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.stdout
    }

    /// Its stderr, where it ended with this code.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        self.stderr
    }
}

impl Daemon {
    /// Runs it with arguments that blanks separate, in the folder of the checkout.
    pub(crate) async fn ctl(&self, arguments: &str) -> Ran {
        self.ctl_with(arguments, "").await
    }

    /// The same with something on stdin.
    pub(crate) async fn ctl_with(&self, arguments: &str, stdin: &str) -> Ran {
        self.ctl_words(&arguments.split(' ').collect::<Vec<_>>(), stdin).await
    }

    /// The same with arguments that hold blanks.
    pub(crate) async fn ctl_words(&self, words: &[&str], stdin: &str) -> Ran {
        let endpoint = ["--url", &self.url, "--token", &self.token];
        run(&[&endpoint, words].concat(), &[], stdin).await
    }

    /// `mcpctl apply -f -` of these manifests, all of which have to be good.
    pub(crate) async fn apply(&self, manifests: &[Value]) -> String {
        self.try_apply(manifests).await.done()
    }

    /// The same, however it ends.
    pub(crate) async fn try_apply(&self, manifests: &[Value]) -> Ran {
        let documents: Vec<_> = manifests.iter().map(Value::to_string).collect();
        self.ctl_with("apply -f -", &documents.join("\n---\n")).await
    }
}

/// Runs it with these arguments and variables and no others: no endpoint is given to it.
pub(crate) async fn ctl(words: &[&str], variables: &[(&str, &str)]) -> Ran {
    run(words, variables, "").await
}

#[expect(clippy::disallowed_methods, reason = "the tests start the very program under test")]
async fn run(words: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ran {
    let mut child = Command::new(built("mcpctl"))
        .args(words)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // A program that does not read its stdin may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes()).await;
    let ended = timeout(DEADLINE, child.wait_with_output()).await;
    let output =
        ended.unwrap_or_else(|_| panic!("mcpctl {words:?} did not end within {DEADLINE:?}")).unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
