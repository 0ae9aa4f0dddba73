//! The guardian: a small process between mcpd and one server, which outlives mcpd just long enough to end
//! the server's whole tree.
//!
//! mcpd executes itself as `mcpd __guard …`, and the guardian executes `mcpd __exec …`, which becomes the
//! server. The guardian is the subreaper of all that the server starts, so no descendant gets lost, be it
//! in a session of its own; it ends only when the kernel says that no child is left. Hence:
//!
//! - the guardian exited with 0 → the whole tree is gone;
//! - mcpd is gone, even by `kill -9` → the control socket ends → the tree is killed;
//! - the guardian is gone → the server gets SIGKILL by its parent-death signal, and mcpd (itself a
//!   subreaper) or the next mcpd ends the rest;
//! - its mark is left beside the lock → it was killed before the tree was proved gone;
//! - the shared lock on the guards' file can be had → no guardian with a server is left.
//!
//! The server's streams pass straight through: not a byte is copied here. A guardian has one thread, because
//! the parent-death signal follows the thread that forked.

mod exec;
mod tree;
mod watch;
pub(super) mod wire;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

/// The first argument that makes this program a guardian.
pub(super) const GUARD: &str = "__guard";
/// The first argument that makes this program the stage that becomes the server.
const EXEC: &str = "__exec";
/// What a guardian is handed beside its three streams: for a guardian the server's stdin, for the stage
/// that becomes the server the pipe for its failure.
pub(super) const EXTRA_FD: i32 = 3;
/// Exit code of wrong use: somebody typed the hidden word by hand.
const WRONG_USE: i32 = 2;

/// Runs as a guardian or its second stage where the arguments say so, and gives the exit code.
///
/// To be called before anything else, and before any thread is started.
pub fn run_if_asked() -> Option<i32> {
    let mut args = std::env::args_os().skip(1);
    let stage = args.next()?;
    let order = || wire::Order::parse(args.collect());
    match stage.to_str()? {
        GUARD => Some(order().map_or(WRONG_USE, |order| watch::run(&order))),
        EXEC => Some(order().map_or(WRONG_USE, |order| exec::run(&order))),
        _ => None,
    }
}

/// Closes what mcpd itself inherited and did not know of, so that no server gets it.
fn close_strangers() -> io::Result<()> {
    let numbers = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?.flatten().filter_map(numbers).collect();
    for number in open.into_iter().filter(|number| *number > EXTRA_FD) {
        // The folder that was just read is in the list, and closed.
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Takes over the file behind [`EXTRA_FD`], which is a pipe; the copy is closed on exec.
fn take_extra(options: &fs::OpenOptions) -> io::Result<File> {
    let file = options.open(format!("/proc/self/fd/{EXTRA_FD}"))?;
    nix::unistd::close(EXTRA_FD)?;
    Ok(file)
}

/// Takes over the control socket, which is handed in as stdin; the copy is closed on exec.
fn take_control() -> io::Result<UnixStream> {
    let control = io::stdin().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdin(null()?)?;
    Ok(UnixStream::from(control))
}

fn null() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

/// The arguments that hand `order` to the next stage.
pub(super) fn stage_args(stage: &str, order: &wire::Order) -> Vec<OsString> {
    std::iter::once(OsString::from(stage)).chain(order.to_args()).collect()
}
