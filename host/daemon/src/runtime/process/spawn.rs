//! Starts one guardian with the pipes of its server.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::Stdio;

use command_fds::{CommandFdExt as _, FdMapping};
use mcpd_core::secret::SecretValue;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::Child;

use super::guard::wire::Order;
use super::guard::{EXTRA_FD, GUARD, stage_args};
use super::orphans::Guards;

/// A guardian that was executed, and mcpd's ends of what it holds.
pub(super) struct Spawned {
    pub(super) guardian: Child,
    pub(super) pid: i32,
    pub(super) control: UnixStream,
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: pipe::Receiver,
}

/// Executes `program` (this program) as the guardian of `order`. Blocks for a millisecond or two, since it
/// forks; to be called where that is allowed, within a tokio runtime.
#[expect(clippy::disallowed_methods, reason = "this is where mcpd starts a guardian")]
pub(super) fn spawn(
    program: &Path,
    order: &Order,
    env: &BTreeMap<String, SecretValue>,
) -> io::Result<Spawned> {
    let (control, guardian_control) = StdUnixStream::pair()?;
    let (stdin_reader, stdin) = io::pipe()?;
    let (stdout, stdout_writer) = io::pipe()?;
    let (stderr, stderr_writer) = io::pipe()?;
    let mut command = std::process::Command::new(program);
    command
        .args(stage_args(GUARD, order))
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value.expose())))
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(guardian_control)))
        .stdout(stdout_writer)
        .stderr(stderr_writer)
        .fd_mappings(vec![FdMapping { parent_fd: stdin_reader.into(), child_fd: EXTRA_FD }])
        .map_err(io::Error::other)?;
    let (guardian, pid) = Guards::register(|| spawn_child(command))?;
    control.set_nonblocking(true)?;
    Ok(Spawned {
        guardian,
        pid,
        control: UnixStream::from_std(control)?,
        stdin: stdin.into(),
        stdout: stdout.into(),
        stderr: pipe::Receiver::from_owned_fd(stderr.into())?,
    })
}

fn spawn_child(command: std::process::Command) -> io::Result<(Child, i32)> {
    let child = tokio::process::Command::from(command).spawn()?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.ok_or_else(|| io::Error::other("the guardian has no process number"))?;
    Ok((child, pid))
}
