//! The second stage: sets up what only the server's own process can, then becomes the server.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{User, getgrouplist, getppid, getsid, setgid, setgroups, setuid};

use super::take_extra;
use super::wire::{Failure, Order, Step};

/// Exit code of a stage that did not become the server, as shells use it.
const NOT_EXECUTED: i32 = 127;

/// In a manifest this program's name is the running program itself (interfaces.md).
const THIS_PROGRAM: &str = "mcpd";

/// Becomes the server, and returns only where that failed, after saying so on the pipe.
pub(super) fn run(order: &Order) -> i32 {
    let Ok(mut pipe) = take_extra(File::options().write(true)) else { return NOT_EXECUTED };
    let failure = become_server(order);
    let words = serde_json::to_string(&failure).unwrap_or_default();
    // Where nobody reads any more, the guardian is gone, and nobody is left to tell.
    let _ = pipe.write_all(words.as_bytes());
    NOT_EXECUTED
}

fn become_server(order: &Order) -> Failure {
    match prepare(order) {
        Ok(()) => Failure::new(Step::Exec, execute(order)),
        Err(failure) => failure,
    }
}

fn prepare(order: &Order) -> Result<(), Failure> {
    // Before the user changes: the folder of mcpd may lie in one that others cannot walk through.
    std::env::set_current_dir(&order.cwd).map_err(|error| Failure::new(Step::Folder, error))?;
    if !order.user.is_empty() {
        become_user(&order.user).map_err(|error| Failure::new(Step::User, error))?;
    }
    die_with_guardian().map_err(|error| Failure::new(Step::Guard, error))
}

/// After the change of user, which clears the signal. Where the guardian died before this, its session
/// leader is not the parent any more, and nobody would ever send it.
fn die_with_guardian() -> Result<(), Errno> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != getsid(None)? {
        return Err(Errno::ESRCH);
    }
    // The guardian blocks signals, and a blocked signal stays so across exec.
    SigSet::empty().thread_set_mask()
}

fn become_user(name: &OsStr) -> Result<(), Errno> {
    let name = CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?;
    let user = User::from_name(name.to_str().map_err(|_| Errno::EINVAL)?)?.ok_or(Errno::ENOENT)?;
    setgroups(&getgrouplist(&name, user.gid)?)?;
    setgid(user.gid)?;
    setuid(user.uid)
}

#[expect(clippy::disallowed_methods, reason = "this is where a server is executed")]
fn execute(order: &Order) -> io::Error {
    let Some((program, args)) = order.argv.split_first() else { return Errno::EINVAL.into() };
    let mut command = if program == THIS_PROGRAM {
        let mut command = Command::new("/proc/self/exe");
        command.arg0(THIS_PROGRAM);
        command
    } else {
        Command::new(program)
    };
    command.args(args).exec()
}
