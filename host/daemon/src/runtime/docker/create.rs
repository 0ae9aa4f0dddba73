//! The body of a container's creation: what is to run, and all that keeps it from harming its host.

use std::fmt;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount as EngineMount, MountType,
    PortBinding, RestartPolicy, RestartPolicyNameEnum,
};

use super::DockerConfig;
use super::labels;
use crate::runtime::invocation::Invocation;
use crate::runtime::{
    Isolation, Launch, Limits, Mount, PullPolicy, RegistryCredentials, Root, RuntimeError, StartRequest,
};

/// Used where neither the server nor the configuration bounds its memory, in MiB: plenty for a server in Node or
/// Python, and ten of them fit on a small machine.
pub const MEMORY_MIB: u32 = 512;
/// Processors, likewise.
pub const CPUS: f64 = 1.0;
/// Processes and threads, likewise; Node alone has a dozen.
pub const PIDS: u32 = 256;

const MIB: i64 = 1024 * 1024;
const NANO: f64 = 1e9;
/// The loopback of this host: nobody else reaches a published port.
const LOOPBACK: &str = "127.0.0.1";
/// What a read-only root leaves to write to: in memory, so it counts as memory of the container.
const TMP: (&str, &str) = ("/tmp", "rw,nosuid,nodev,size=64m,mode=1777");

/// The image of a start, and how it comes to the engine.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) name: String,
    pub(super) pull: PullPolicy,
    pub(super) credentials: Option<RegistryCredentials>,
}

/// What a start asks of the engine.
pub(super) struct Order {
    pub(super) image: Image,
    pub(super) body: ContainerCreateBody,
    pub(super) port: Option<u16>,
}

impl Order {
    /// What `request` asks for, in the words of the engine.
    ///
    /// # Errors
    /// A program of the host is no image, nor is a package whose runner image nobody configured.
    pub(super) fn new(config: &DockerConfig, request: &StartRequest) -> Result<Self, RuntimeError> {
        let (image, entrypoint, cmd) = program(config, &request.launch, &request.args)?;
        let entry =
            |(name, value): &(String, mcpd_core::secret::SecretValue)| format!("{name}={}", value.expose());
        let body = ContainerCreateBody {
            image: Some(image.name.clone()),
            entrypoint,
            cmd,
            env: Some(request.env.iter().map(entry).collect()),
            labels: Some(labels::of_start(&config.owner, request)),
            exposed_ports: request.isolation.port.map(|port| vec![tcp(port)]),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            open_stdin: Some(true),
            // Otherwise the first detach, or the death of mcpd, would close the server's stdin.
            stdin_once: Some(false),
            tty: Some(false),
            // mcpd is the only one that checks; what an image brings would run beside it for nobody.
            healthcheck: Some(HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..HealthConfig::default()
            }),
            host_config: Some(host_config(config, request)),
            ..ContainerCreateBody::default()
        };
        Ok(Self { image, body, port: request.isolation.port })
    }
}

/// Without the body, which holds every value of the environment in the clear.
impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("image", &self.image.name)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// How a published port is called by the engine.
pub(super) fn tcp(port: u16) -> String {
    format!("{port}/tcp")
}

type Words = Option<Vec<String>>;

/// The image, what replaces its entrypoint, and the arguments.
fn program(
    config: &DockerConfig,
    launch: &Launch,
    args: &[String],
) -> Result<(Image, Words, Words), RuntimeError> {
    let words = |words: &[String]| (!words.is_empty()).then(|| words.to_vec());
    let runner = match launch {
        Launch::Image { image, command, pull, credentials } => {
            let image = Image { name: image.clone(), pull: *pull, credentials: credentials.clone() };
            return Ok((image, words(command), words(args)));
        }
        Launch::NodePackage { .. } => config.node_runner_image.as_ref(),
        Launch::PythonPackage { .. } => config.python_runner_image.as_ref(),
        Launch::Command { .. } => None,
    };
    let Invocation { program, args } = Invocation::new(launch, args)?;
    let Some(name) = runner else {
        let reason = "no image is configured to run it in a container".to_owned();
        return Err(RuntimeError::CannotStart { program, reason });
    };
    let image = Image { name: name.clone(), pull: PullPolicy::default(), credentials: None };
    Ok((image, Some(vec![program]), words(&args)))
}

fn host_config(config: &DockerConfig, request: &StartRequest) -> HostConfig {
    let Isolation { port, mounts, root } = &request.isolation;
    let publish = |port: &u16| {
        // Without a number the engine takes a free one.
        let free = PortBinding { host_ip: Some(LOOPBACK.to_owned()), host_port: None };
        [(tcp(*port), Some(vec![free]))].into()
    };
    let tmpfs = || [(TMP.0.to_owned(), TMP.1.to_owned())].into();
    HostConfig {
        // Reaps what the server leaves, and hands on the signals of a stop, which PID 1 itself would not hear.
        init: Some(true),
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        readonly_rootfs: Some(*root == Root::ReadOnly),
        tmpfs: (*root == Root::ReadOnly).then(tmpfs),
        // mcpd is the only supervisor.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        // The engine's log would hold all that the server and its clients say, in the clear.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        network_mode: Some(config.network.clone()),
        port_bindings: port.as_ref().map(publish),
        mounts: Some(mounts.iter().map(bind).collect()),
        ..bounds(request.limits, config.limits)
    }
}

/// What it may use: the server's own limits, else those of the configuration, else those named above.
fn bounds(own: Limits, configured: Limits) -> HostConfig {
    let memory = i64::from(own.memory_mib.or(configured.memory_mib).unwrap_or(MEMORY_MIB)) * MIB;
    let cpus = own.cpus.or(configured.cpus).unwrap_or(CPUS);
    let pids = own.pids.or(configured.pids).unwrap_or(PIDS);
    #[expect(clippy::cast_possible_truncation, reason = "a number of processors is small")]
    let nano_cpus = (cpus * NANO).round() as i64;
    HostConfig {
        memory: Some(memory),
        // Memory and swap together: none of it is swap.
        memory_swap: Some(memory),
        nano_cpus: Some(nano_cpus),
        pids_limit: Some(i64::from(pids)),
        ..HostConfig::default()
    }
}

fn bind(mount: &Mount) -> EngineMount {
    EngineMount {
        typ: Some(MountType::BIND),
        source: Some(mount.source.clone()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..EngineMount::default()
    }
}

#[cfg(test)]
#[path = "create_tests.rs"]
pub(super) mod tests;
