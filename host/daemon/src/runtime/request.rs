//! What a start takes and gives.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::secret::{Redactor, SecretValue};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Handle;

/// Everything an instance needs to run; its environment is complete, or there would be no request.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// The instance.
    pub instance: InstanceId,
    /// The server it is a replica of.
    pub server: ServerName,
    /// What to run.
    pub launch: Launch,
    /// Appended to what `launch` runs.
    pub args: Vec<String>,
    /// Where to run; `None` gives the instance a folder of its own.
    pub cwd: Option<PathBuf>,
    /// The server's own entries of the environment, resolved.
    pub env: Vec<(String, SecretValue)>,
    /// Masks the secrets of `env` in all that is kept of this run.
    pub redactor: Redactor,
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launch {
    /// A program of the host and its arguments. The name `mcpd` alone is the running program itself.
    Command {
        /// The program, then its arguments; not empty.
        argv: Vec<String>,
    },
    /// A package of npm.
    NodePackage {
        /// Its name, with a version or tag where wanted.
        package: String,
        /// The program in it, where it is called otherwise.
        bin: Option<String>,
    },
    /// A package of `PyPI`.
    PythonPackage {
        /// Its name, with a version where wanted.
        package: String,
        /// The program in it, where it is called otherwise.
        bin: Option<String>,
    },
}

/// A run that was reported as running, and the two streams of its one connection. Dropping it closes both.
pub struct Started {
    /// The number of the run, named by its events.
    pub run: u64,
    /// To be recorded, so that a later mcpd can end what this one leaves.
    pub handle: Handle,
    /// The server's process on this host, where there is one.
    pub pid: Option<u32>,
    /// What its connection is opened over.
    pub streams: Streams,
}

/// The streams of a server. They belong to whoever holds them, and closing stdin asks the server to end.
pub enum Streams {
    /// The pipes of a process, as they are: they tell more than another stream can.
    Pipes {
        /// The end of the server's stdin that is written to.
        stdin: OwnedFd,
        /// The end of the server's stdout that is read from.
        stdout: OwnedFd,
    },
    /// Anything else, such as an attached container.
    Other {
        /// The server's stdin. Shutting it down or dropping it closes it.
        stdin: Box<dyn AsyncWrite + Send + Unpin>,
        /// The server's stdout.
        stdout: Box<dyn AsyncRead + Send + Unpin>,
    },
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("run", &self.run).field("pid", &self.pid).finish_non_exhaustive()
    }
}
