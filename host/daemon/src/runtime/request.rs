//! What a start takes and gives.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::secret::{Redactor, SecretValue};
use mcpd_core::server::Revision;
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
    /// The names of those entries of `env` that came from secrets.
    pub secret_names: Vec<String>,
    /// Masks the secrets of `env` in all that is kept of this run.
    pub redactor: Redactor,
    /// What the attempt is for; recorded with what is started, for [`super::Runtime::adopt`].
    pub revision: Revision,
    /// What the run may use, as far as the runtime can bound it.
    pub limits: Limits,
    /// Where a container differs from the default.
    pub isolation: Isolation,
    /// Told of what takes long.
    pub progress: Progress,
}

/// What a run may use; `None` is the runtime's default.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// Memory, in MiB.
    pub memory_mib: Option<u32>,
    /// Processors, fractional.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// What a container is given beyond its image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Isolation {
    /// The port its server listens on, published on loopback; none for a server over stdio.
    pub port: Option<u16>,
    /// Folders of the host.
    pub mounts: Vec<Mount>,
    /// Whether its root file system can be written to.
    pub root: Root,
}

/// Whether the root file system of a container can be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Root {
    /// It can.
    #[default]
    Writable,
    /// It cannot; `/tmp` is in memory.
    ReadOnly,
}

/// A folder of the host in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// On the host; absolute.
    pub source: String,
    /// In the container; absolute.
    pub target: String,
    /// Whether it can be written to there.
    pub read_only: bool,
}

/// Told of what takes long in a start.
#[derive(Clone)]
pub struct Progress(pub Arc<dyn Fn(StartProgress) + Send + Sync>);

impl Progress {
    /// Tells.
    pub fn tell(&self, progress: StartProgress) {
        (self.0)(progress);
    }
}

impl Default for Progress {
    /// Nobody listens.
    fn default() -> Self {
        Self(Arc::new(|_| ()))
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// What takes long in a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartProgress {
    /// An image is being pulled; told once a second at most.
    Pulling {
        /// Its name.
        image: String,
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes of all layers, as far as they are known yet.
        total_bytes: u64,
    },
    /// It is here.
    Pulled {
        /// Its name.
        image: String,
        /// How long that took.
        took: Duration,
    },
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
    /// An image, in a container.
    Image {
        /// Its reference, such as `registry/name:tag`.
        image: String,
        /// Replaces its entrypoint where not empty.
        command: Vec<String>,
        /// When it is pulled.
        pull: PullPolicy,
        /// What its registry asks for, where it does.
        credentials: Option<RegistryCredentials>,
    },
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// Where the engine does not have it.
    #[default]
    IfNotPresent,
    /// Before each start.
    Always,
    /// Never: the engine has it, or the start fails.
    Never,
}

/// A login at a registry of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryCredentials {
    /// The user.
    pub username: String,
    /// The password or token.
    pub password: SecretValue,
}

/// A run that was reported as running, and the two streams of its one connection. Dropping it closes both.
pub struct Started {
    /// The number of the run, named by its events.
    pub run: u64,
    /// To be recorded, so that a later mcpd can end what this one leaves.
    pub handle: Handle,
    /// The server's process on this host, where there is one.
    pub pid: Option<u32>,
    /// Its container, where it has one.
    pub container: Option<Container>,
    /// What its connection is opened over.
    pub streams: Streams,
}

/// The container of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id at the engine.
    pub id: String,
    /// The image it runs, as it was named.
    pub image: String,
    /// The port of this host's loopback that leads to its server, where it has one.
    pub port: Option<u16>,
}

/// The streams of a server. They belong to whoever holds them; closing the stdin of a process asks it to end.
pub enum Streams {
    /// The pipes of a process, as they are: they tell more than another stream can.
    Pipes {
        /// The end of the server's stdin that is written to.
        stdin: OwnedFd,
        /// The end of the server's stdout that is read from.
        stdout: OwnedFd,
    },
    /// Those of an attached container. Dropping them detaches, and the server lives on.
    Other {
        /// The server's stdin.
        stdin: Box<dyn AsyncWrite + Send + Unpin>,
        /// The server's stdout.
        stdout: Box<dyn AsyncRead + Send + Unpin>,
    },
    /// None: the server listens on a port.
    Http {
        /// Where it is reached on this host.
        address: SocketAddr,
    },
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started")
            .field("run", &self.run)
            .field("pid", &self.pid)
            .field("container", &self.container)
            .finish_non_exhaustive()
    }
}
