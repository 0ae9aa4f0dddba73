//! What can go wrong with a runtime, in its own words.

use std::io;
use std::path::PathBuf;

use mcpd_core::name::InstanceId;

/// A runtime could not do what it was asked; for a start, a failed attempt (behaviour 4.7).
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The runtime refused to start it, in the operating system's words.
    #[error("cannot start {program:?}: {reason}")]
    CannotStart {
        /// The program that was to be started.
        program: String,
        /// Why not.
        reason: String,
    },
    /// The program that runs packages is not installed.
    #[error("cannot start {program:?}: it is not on PATH ({hint})")]
    RunnerMissing {
        /// `npx` or `uvx`.
        program: String,
        /// What to install.
        hint: &'static str,
    },
    /// Nothing was heard of the start in time; what was begun has been ended.
    #[error("{program:?} was not running within {seconds} s")]
    StartTimeout {
        /// The program that was to be started.
        program: String,
        /// The deadline that passed.
        seconds: u64,
    },
    /// A stop came while it was starting.
    #[error("instance {instance} was stopped while it was starting")]
    StoppedWhileStarting {
        /// The instance.
        instance: InstanceId,
    },
    /// An earlier run of the instance is not proved gone, so nothing is started in its place (behaviour 5.3).
    #[error("instance {instance} is still there, so nothing was started in its place")]
    StillThere {
        /// The instance.
        instance: InstanceId,
    },
    /// The stop went through all its steps, and something is still there.
    #[error("instance {instance} could not be stopped: something of it is still there after SIGKILL")]
    NotStopped {
        /// The instance.
        instance: InstanceId,
    },
    /// Processes of an earlier mcpd are there and cannot be ended, so nothing may be started.
    #[error("processes of an earlier mcpd are still there{}", listed(.pids))]
    LeftBehind {
        /// The processes that are left, as far as they are known.
        pids: Vec<i32>,
    },
    /// A folder or file of the runtime could not be made or removed.
    #[error("cannot {action} {path:?}")]
    Folder {
        /// What was being done.
        action: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The user that servers are to run as does not exist.
    #[error("no user {user:?} to run servers as")]
    NoSuchUser {
        /// Its name in the configuration.
        user: String,
    },
    /// The operating system does not let mcpd adopt orphans, which it needs to prove a tree gone.
    #[error("cannot become the reaper of orphaned processes")]
    NoReaper(#[source] io::Error),
    /// The container engine does not answer; nothing is known of what runs there.
    #[error("the container engine at {endpoint} does not answer: {reason}")]
    EngineAway {
        /// Its socket.
        endpoint: String,
        /// The words of what failed.
        reason: String,
    },
    /// The container engine refused, in its own words.
    #[error("cannot {doing}: {reason}")]
    EngineRefused {
        /// What was being done, with the name of the thing.
        doing: String,
        /// The engine's words.
        reason: String,
    },
    /// The engine was asked, and did not answer this in time though it is there.
    #[error("cannot {doing}: the container engine gave no answer within {seconds} s")]
    EngineSlow {
        /// What was being done, with the name of the thing.
        doing: String,
        /// The deadline that passed.
        seconds: u64,
    },
    /// The configuration leaves no container engine to mcpd.
    #[error(
        "cannot {doing}: this mcpd uses no container engine (runtime.kind is process, or DOCKER_HOST names none \
         of this machine)"
    )]
    NoEngine {
        /// What was being done, with the name of the thing.
        doing: String,
    },
    /// The configuration wants packages in containers, and names no image to run them in.
    #[error("cannot run package {package}: runtime.kind is docker, and {key} names no image to run it in")]
    NoRunner {
        /// The package.
        package: String,
        /// The key of the configuration.
        key: &'static str,
    },
    /// Commands are run beside containers only.
    #[error("cannot run a command in instance {instance}: it is not in a container")]
    NoExec {
        /// The instance.
        instance: InstanceId,
    },
    /// Nothing is kept of such an instance.
    #[error("instance {instance} is not known to the runtime")]
    UnknownInstance {
        /// The instance.
        instance: InstanceId,
    },
}

fn listed(pids: &[i32]) -> String {
    if pids.is_empty() {
        return String::new();
    }
    let list: Vec<String> = pids.iter().map(ToString::to_string).collect();
    format!(" (process {})", list.join(", "))
}
