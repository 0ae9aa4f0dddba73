//! The table of everything that can be set. Keys of one section stand together, subsections after them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use mcpd_api::bounds;

use super::shape::Shape;
use super::shape::Shape::{Number, Seconds, Switch, Tables, Text, Texts, Whole, Word};
use super::values::{
    LOG_FORMATS, RUNTIME_KINDS, data_dir, default_backend, docker_host, host_name, listen_address,
    log_filter, log_format, network, optional, passed_variable, runtime_kind, show_store, store_url,
};

/// A key of the configuration.
pub(super) struct Key {
    /// Its sections and its name, with dots between.
    pub(super) path: &'static str,
    /// What it does, for people.
    pub(super) doc: &'static str,
    /// A variable that sets it beside `MCPD_<SECTION>_<KEY>`.
    pub(super) variable: Option<&'static str>,
    /// What its value looks like, and where it goes.
    pub(super) shape: Shape,
}

/// Seconds between looks: more often would only burn time, more seldom would not notice what events missed.
const SCAN: RangeInclusive<f64> = 1.0..=3_600.0;
/// Seconds of a stop: less is a kill, and with more nobody could tell a stop that hangs from one that takes long.
const STOP: RangeInclusive<f64> = 1.0..=300.0;
/// Starts at once: each may pull, unpack and run something big.
const PARALLEL: RangeInclusive<u64> = 1..=256;
/// Seconds of a backoff, up to a day; below one it would not be one.
const DELAY: RangeInclusive<f64> = 1.0..=86_400.0;
/// Attempts before the slow delay; 0 makes every delay slow.
const FAST_ATTEMPTS: RangeInclusive<u64> = 0..=1_000;
/// Checks at once: each reserves address space for the largest memory.
const POOL: RangeInclusive<u64> = 1..=1_000;

/// Every key.
pub(super) static KEYS: &[Key] = &[
    key(
        "listen.address",
        "Address and port of the API; port 0 takes a free one",
        Text { set: listen_address, show: |c| c.listen.address.to_string() },
    ),
    key(
        "listen.insecure",
        "Allow an address beyond loopback although there is no TLS",
        Switch(|c| &mut c.listen.insecure),
    ),
    key(
        "listen.allowedHosts",
        "Host names that requests may carry beside those of loopback and the address",
        Texts { at: |c| &mut c.listen.allowed_hosts, check: host_name },
    ),
    key(
        "data.dir",
        "The data folder; the XDG data folder where left out",
        Text { set: data_dir, show: |c| c.data.dir.display().to_string() },
    ),
    key(
        "store.url",
        "The database, sqlite:PATH, absolute or in the data folder; mcpd.db where empty",
        Text { set: store_url, show: |c| show_store(c.store.path.as_deref()) },
    ),
    key(
        "runtime.kind",
        "What runs servers: processes, and containers too where an image is asked for (auto), or only processes, or packages in containers or not at all (docker)",
        Word { words: RUNTIME_KINDS, set: runtime_kind, show: |c| c.runtime.kind.as_str().to_owned() },
    ),
    Key {
        variable: Some("MCPD_NODE_RUNNER_IMAGE"),
        ..key(
            "runtime.nodeRunnerImage",
            "Image that runs Node packages in a container, by the npx in it; on the host where empty",
            Text {
                set: |c, text| optional(&mut c.runtime.node_runner_image, text),
                show: |c| c.runtime.node_runner_image.clone().unwrap_or_default(),
            },
        )
    },
    Key {
        variable: Some("MCPD_PYTHON_RUNNER_IMAGE"),
        ..key(
            "runtime.pythonRunnerImage",
            "Image that runs Python packages in a container, by the uvx in it; on the host where empty",
            Text {
                set: |c, text| optional(&mut c.runtime.python_runner_image, text),
                show: |c| c.runtime.python_runner_image.clone().unwrap_or_default(),
            },
        )
    },
    Key {
        variable: Some("MCPD_MCP_NETWORK"),
        ..key(
            "runtime.network",
            "Network of the containers; made where it is not there",
            Text { set: network, show: |c| c.runtime.network.clone() },
        )
    },
    key(
        "runtime.process.passEnv",
        "Variables of mcpd that host processes get too",
        Texts { at: |c| &mut c.runtime.process.pass_env, check: passed_variable },
    ),
    key(
        "runtime.process.user",
        "The user that host processes run as, where mcpd is root; empty for its own",
        Text {
            set: |c, text| optional(&mut c.runtime.process.user, text),
            show: |c| c.runtime.process.user.clone().unwrap_or_default(),
        },
    ),
    key(
        "runtime.docker.host",
        "Socket of the container engine, unix:///PATH; DOCKER_HOST where empty, then the usual places",
        Text { set: docker_host, show: |c| c.runtime.docker.host.clone().unwrap_or_default() },
    ),
    key(
        "runtime.docker.stopSeconds",
        "How long a container may take to end by itself before it is killed",
        Seconds { at: |c| &mut c.runtime.docker.stop, within: STOP },
    ),
    key(
        "runtime.docker.memoryMiB",
        "Memory of a container whose manifest says nothing, swap included",
        Whole { at: |c| &mut c.runtime.docker.memory_mib, within: bounds::MEMORY_MIB },
    ),
    key(
        "runtime.docker.cpus",
        "Processors of a container whose manifest says nothing",
        Number { at: |c| &mut c.runtime.docker.cpus, within: bounds::CPUS },
    ),
    key(
        "runtime.docker.pids",
        "Processes and threads of a container whose manifest says nothing",
        Whole { at: |c| &mut c.runtime.docker.pids, within: bounds::PIDS },
    ),
    key(
        "reconcile.scanSeconds",
        "The longest time between two looks at a server",
        Seconds { at: |c| &mut c.reconcile.scan, within: SCAN },
    ),
    key(
        "reconcile.parallelStarts",
        "How many start attempts run at once",
        Whole { at: |c| &mut c.reconcile.parallel_starts, within: PARALLEL },
    ),
    key(
        "backoff.fastSeconds",
        "Delay after each of the first failed attempts",
        Seconds { at: |c| &mut c.backoff.schedule.fast, within: DELAY },
    ),
    key(
        "backoff.fastAttempts",
        "How many failed attempts are followed by the fast delay",
        Whole { at: |c| &mut c.backoff.schedule.fast_attempts, within: FAST_ATTEMPTS },
    ),
    key(
        "backoff.slowSeconds",
        "Delay after every later failed attempt",
        Seconds { at: |c| &mut c.backoff.schedule.slow, within: DELAY },
    ),
    key(
        "backoff.resetSeconds",
        "How long an instance runs without an exit until its attempts are forgotten",
        Seconds { at: |c| &mut c.backoff.reset, within: DELAY },
    ),
    key(
        "checks.intervalSeconds",
        "Time from one check to the next",
        Seconds { at: |c| &mut c.checks.policy.interval, within: bounds::INTERVAL_SECONDS },
    ),
    key(
        "checks.timeoutSeconds",
        "Bound of one check",
        Seconds { at: |c| &mut c.checks.policy.timeout, within: bounds::TIMEOUT_SECONDS },
    ),
    key(
        "checks.failureThreshold",
        "Failures in a row that make an instance unhealthy",
        Whole { at: |c| &mut c.checks.policy.failure_threshold, within: bounds::THRESHOLDS },
    ),
    key(
        "checks.successThreshold",
        "Passes in a row that make it healthy again",
        Whole { at: |c| &mut c.checks.policy.success_threshold, within: bounds::THRESHOLDS },
    ),
    key(
        "checks.initialDelaySeconds",
        "Time from the connection to the first check",
        Seconds { at: |c| &mut c.checks.policy.initial_delay, within: bounds::DELAY_SECONDS },
    ),
    key(
        "checks.startupSeconds",
        "How long an instance may take to be connected before its checks fail",
        Seconds { at: |c| &mut c.checks.policy.startup, within: bounds::DELAY_SECONDS },
    ),
    key(
        "checks.byTransport",
        "A healthCheck for every server of a transport",
        Tables { at: |c| &mut c.checks.by_transport, names: &["STDIO", "SSE", "STREAMABLE_HTTP"] },
    ),
    key(
        "checks.byImage",
        "A healthCheck for every server of an image",
        Tables { at: |c| &mut c.checks.by_image, names: &[] },
    ),
    key(
        "checks.byPackage",
        "A healthCheck for every server of a package",
        Tables { at: |c| &mut c.checks.by_package, names: &[] },
    ),
    key(
        "probes.poolSize",
        "How many checks run at once",
        Whole { at: |c| &mut c.probes.pool_size, within: POOL },
    ),
    key(
        "probes.cpuSeconds",
        "CPU time of one check",
        Seconds { at: |c| &mut c.probes.cpu, within: bounds::PROBE_CPU_SECONDS },
    ),
    key(
        "probes.memoryMiB",
        "Memory of one check",
        Whole { at: |c| &mut c.probes.memory_mib, within: bounds::PROBE_MEMORY_MIB },
    ),
    key(
        "probes.calls",
        "MCP calls of one check",
        Whole { at: |c| &mut c.probes.calls, within: bounds::PROBE_CALLS },
    ),
    key(
        "probes.pagemapScan",
        "Reset memory with PAGEMAP_SCAN of Linux 6.7: faster, but not where memory is swapped out",
        Switch(|c| &mut c.probes.pagemap_scan),
    ),
    key(
        "secrets.defaultBackend",
        "The backend of secrets that name none",
        Text { set: default_backend, show: |c| c.secrets.default_backend.clone() },
    ),
    key("auth.openMetrics", "Answer /metrics without a token", Switch(|c| &mut c.auth.open_metrics)),
    key(
        "telemetry.log",
        "What is logged: a level, or levels by module such as mcpd=debug,warn",
        Text { set: log_filter, show: |c| c.telemetry.log.clone() },
    ),
    key(
        "telemetry.format",
        "How log lines look",
        Word { words: LOG_FORMATS, set: log_format, show: |c| c.telemetry.format.as_str().to_owned() },
    ),
];

const fn key(path: &'static str, doc: &'static str, shape: Shape) -> Key {
    Key { path, doc, variable: None, shape }
}

/// The key of a path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The key of that name in any section, for one that was written in the wrong place.
pub(super) fn find_elsewhere(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path.rsplit('.').next() == Some(name))
}

/// Whether keys lie below this path.
pub(super) fn is_section(path: &str) -> bool {
    KEYS.iter().any(|key| below(path, key.path).is_some())
}

/// The sections at the top.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(|key| key.path.split('.').next())
}

/// The paths of the keys and sections directly in a section; the top has no name.
pub(super) fn children(section: &str) -> BTreeSet<String> {
    let child = |key: &Key| {
        let name = below(section, key.path)?.split('.').next()?;
        Some(if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") })
    };
    KEYS.iter().filter_map(child).collect()
}

fn below<'a>(section: &str, path: &'a str) -> Option<&'a str> {
    if section.is_empty() { Some(path) } else { path.strip_prefix(section)?.strip_prefix('.') }
}
