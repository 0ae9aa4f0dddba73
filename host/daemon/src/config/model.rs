//! The configuration as the daemon uses it: typed, complete and checked.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use mcpd_core::backoff::Schedule;
use mcpd_core::server::CheckPolicy;
use serde_json::Value;

/// The port of `mcpd` where none is configured.
const PORT_DEFAULT: u16 = 3100;

/// Everything an operator can set. `Config::default()` is what a person gets who sets nothing, except for
/// the data folder, which depends on the environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Where the API listens.
    pub listen: Listen,
    /// Where state lives.
    pub data: Data,
    /// Which database.
    pub store: Store,
    /// What runs servers.
    pub runtime: Runtime,
    /// How often the driver looks.
    pub reconcile: Reconcile,
    /// When failed attempts are tried again.
    pub backoff: Backoff,
    /// What a health check is where a manifest does not say.
    pub checks: Checks,
    /// What a probe may use.
    pub probes: Probes,
    /// Where secrets are kept.
    pub secrets: Secrets,
    /// Who may ask what.
    pub auth: Auth,
    /// What mcpd says of itself.
    pub telemetry: Telemetry,
}

/// `[listen]`
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// Address and port of the API; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether `address` may lie beyond loopback although there is no TLS.
    pub insecure: bool,
    /// Values of the `Host` header that are accepted beside loopback names and the address itself.
    pub allowed_hosts: Vec<String>,
}

impl Default for Listen {
    fn default() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT));
        Self { address, insecure: false, allowed_hosts: Vec::new() }
    }
}

/// `[data]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// The data folder; never empty once loaded.
    pub dir: PathBuf,
}

/// `[store]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// The database, in the data folder unless it is absolute; `None` is `mcpd.db`.
    pub path: Option<PathBuf>,
}

/// `[runtime]`
#[derive(Clone, Debug, PartialEq)]
pub struct Runtime {
    /// What runs servers.
    pub kind: RuntimeKind,
    /// Image that runs packages of Node in a container.
    pub node_runner_image: Option<String>,
    /// Image that runs packages of Python in a container.
    pub python_runner_image: Option<String>,
    /// Container network of the servers.
    pub network: String,
    /// Settings of the runtime for processes of this host.
    pub process: ProcessRuntime,
    /// Settings of the runtime for containers.
    pub docker: DockerRuntime,
}

impl Default for Runtime {
    fn default() -> Self {
        Self {
            kind: RuntimeKind::default(),
            node_runner_image: None,
            python_runner_image: None,
            network: "mcp-servers".to_owned(),
            process: ProcessRuntime::default(),
            docker: DockerRuntime::default(),
        }
    }
}

/// What runs servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeKind {
    /// Images in containers, packages too where a runner image is named and the engine answers, all else on the
    /// host.
    #[default]
    Auto,
    /// Processes of this host only; no engine is ever asked for.
    Process,
    /// As `auto`, but a package runs in a container or not at all. A `command` always means the host.
    Docker,
}

/// `[runtime.process]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessRuntime {
    /// Variables of mcpd's own environment that processes get too (behaviour 3.8).
    pub pass_env: Vec<String>,
    /// The user that processes run as; needs mcpd to be root.
    pub user: Option<String>,
}

/// `[runtime.docker]`
#[derive(Clone, Debug, PartialEq)]
pub struct DockerRuntime {
    /// The engine's socket, `unix:///PATH`; `None` for `DOCKER_HOST` and the usual places.
    pub host: Option<String>,
    /// How long a container may take to end by itself before it is killed (behaviour 5.5).
    pub stop: Duration,
    /// Memory of a container in MiB, swap included, where the manifest says nothing.
    pub memory_mib: u32,
    /// Processors of a container, fractional, where the manifest says nothing.
    pub cpus: f64,
    /// Processes and threads of a container where the manifest says nothing.
    pub pids: u32,
}

impl Default for DockerRuntime {
    /// Limits that an MCP server does not reach, and that keep one gone wild from taking its neighbours along.
    fn default() -> Self {
        Self { host: None, stop: Duration::from_secs(10), memory_mib: 512, cpus: 1.0, pids: 256 }
    }
}

/// `[reconcile]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconcile {
    /// The longest time between two passes over a server (behaviour 5.1).
    pub scan: Duration,
    /// How many start attempts run at once; one that pulls an image is not among them.
    pub parallel_starts: u32,
}

impl Default for Reconcile {
    fn default() -> Self {
        Self { scan: Duration::from_secs(30), parallel_starts: 16 }
    }
}

/// `[backoff]` (behaviour 4)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The delays between attempts.
    pub schedule: Schedule,
    /// How long an instance has to run without an exit until its count starts anew.
    pub reset: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { schedule: Schedule::default(), reset: Duration::from_mins(10) }
    }
}

/// `[checks]`: defaults, from the widest to the narrowest; what a manifest says comes before all of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checks {
    /// For every server.
    pub policy: CheckPolicy,
    /// A `healthCheck` for each of `STDIO`, `SSE`, `STREAMABLE_HTTP`.
    pub by_transport: BTreeMap<String, Value>,
    /// A `healthCheck` for each image, named without its tag or digest.
    pub by_image: BTreeMap<String, Value>,
    /// A `healthCheck` for each package.
    pub by_package: BTreeMap<String, Value>,
}

/// `[probes]`: what one check may use; the numbers and their ceilings are those of the probe host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probes {
    /// How many checks run at once. A check of a slow server holds its place while it waits, so this is how
    /// many servers may be slow before another's check has to wait. A place costs address space, not memory.
    pub pool_size: u32,
    /// CPU time of one check.
    pub cpu: Duration,
    /// Memory of one check in MiB.
    pub memory_mib: u32,
    /// MCP calls of one check.
    pub calls: u32,
    /// Whether pages are reset with Linux's `PAGEMAP_SCAN`: faster, but stale pages were seen with swap.
    pub pagemap_scan: bool,
}

impl Default for Probes {
    fn default() -> Self {
        Self { pool_size: 256, cpu: Duration::from_secs(1), memory_mib: 256, calls: 100, pagemap_scan: false }
    }
}

/// `[secrets]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// The backend of a secret that names none.
    pub default_backend: String,
}

impl Default for Secrets {
    fn default() -> Self {
        Self { default_backend: "sealed".to_owned() }
    }
}

/// `[auth]`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Whether `/metrics` answers without a token.
    pub open_metrics: bool,
}

/// `[telemetry]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// A filter of the crate tracing-subscriber, such as `info` or `mcpd=debug,warn`.
    pub log: String,
    /// How log lines look.
    pub format: LogFormat,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { log: "info".to_owned(), format: LogFormat::default() }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
