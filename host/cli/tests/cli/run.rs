//! Runs the program with an environment of its own.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::fake::Fake;

/// How a run of the program ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `mcpctl` against the fake; the arguments are separated by blanks.
pub(crate) async fn mcpctl(fake: &Fake, arguments: &str) -> Ended {
    with_stdin(fake, arguments, "").await
}

/// The same with something on stdin.
pub(crate) async fn with_stdin(fake: &Fake, arguments: &str, stdin: &str) -> Ended {
    let words: Vec<_> = arguments.split(' ').collect();
    run(&words, &[("MCPD_URL", &fake.url), ("MCPD_TOKEN", "t0ken")], stdin).await
}

/// Runs `mcpctl` with these arguments and variables and no others.
#[expect(clippy::disallowed_methods, reason = "the tests start the very program under test")]
pub(crate) async fn run(arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mcpctl"))
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // A program that does not read its stdin may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes()).await;
    let output = child.wait_with_output().await.unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
