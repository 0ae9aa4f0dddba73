//! Every bound of the wire in one place, each with its reason.

use std::ops::RangeInclusive;

/// Bytes of a manifest file or of any JSON body: far above what people write, far below what hurts.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Mistakes reported for one body. Past it nobody reads on; the last one says how many more there are.
pub const FIELD_ERRORS_MAX: usize = 100;

/// Characters of a name: a DNS label of RFC 1123.
pub const NAME_BYTES_MAX: usize = 63;
/// Bytes of a description: a paragraph.
pub const DESCRIPTION_BYTES_MAX: usize = 1 << 10;
/// Labels of one server.
pub const LABELS_MAX: usize = 64;
/// Bytes of a label's key, as in Kubernetes.
pub const LABEL_KEY_BYTES_MAX: usize = 253;
/// Bytes of a label's value, as in Kubernetes.
pub const LABEL_VALUE_BYTES_MAX: usize = 63;

/// Entries of `command` and of `args`.
pub const ARGUMENTS_MAX: usize = 256;
/// Bytes of one entry of `command` or `args`, of a path or of a URL.
pub const ARGUMENT_BYTES_MAX: usize = 4 << 10;
/// Entries of `env` and of `headers`.
pub const ENV_MAX: usize = 256;
/// Bytes of a value of `env` or `headers`: Linux takes 128 KiB, and all of it together 2 MiB.
pub const ENV_VALUE_BYTES_MAX: usize = 32 << 10;
/// Bytes of the name of a variable or header.
pub const ENV_NAME_BYTES_MAX: usize = 253;
/// Bytes of one secret value.
pub const SECRET_VALUE_BYTES_MAX: usize = 1 << 20;
/// Keys of one secret.
pub const SECRET_KEYS_MAX: usize = 256;
/// Bytes of a key of a secret.
pub const SECRET_KEY_BYTES_MAX: usize = 253;
/// Volumes of one server.
pub const VOLUMES_MAX: usize = 64;
/// Tools or methods a health check may be granted.
pub const ALLOWED_MAX: usize = 100;
/// Bytes of the name of a tool, method, image or package.
pub const WORD_BYTES_MAX: usize = 512;

/// Replicas of a server.
pub const REPLICAS: RangeInclusive<u64> = 0..=10;
/// TCP ports.
pub const PORTS: RangeInclusive<u64> = 1..=65_535;
/// Thresholds of a health check.
pub const THRESHOLDS: RangeInclusive<u64> = 1..=100;
/// Seconds between two checks: 0.1 s to a day.
pub const INTERVAL_SECONDS: RangeInclusive<f64> = 0.1..=86_400.0;
/// Seconds of one check: 0.01 s to 10 min.
pub const TIMEOUT_SECONDS: RangeInclusive<f64> = 0.01..=600.0;
/// Seconds a check waits at the start of an instance: up to an hour.
pub const DELAY_SECONDS: RangeInclusive<f64> = 0.0..=3_600.0;
/// Seconds a rollout may take before it is called stuck: up to a day.
pub const PROGRESS_DEADLINE_SECONDS: RangeInclusive<f64> = 1.0..=86_400.0;

/// Memory of a server in MiB: the least an engine takes, to 1 TiB.
pub const MEMORY_MIB: RangeInclusive<u64> = 6..=1_048_576;
/// Processors of a server.
pub const CPUS: RangeInclusive<f64> = 0.01..=1_024.0;
/// Processes of a server, to the kernel's own limit.
pub const PIDS: RangeInclusive<u64> = 1..=4_194_304;

/// Memory of a probe in MiB, to the ceiling of the probe host.
pub const PROBE_MEMORY_MIB: RangeInclusive<u64> = 1..=512;
/// Processor seconds of one check, to the ceiling of the probe host.
pub const PROBE_CPU_SECONDS: RangeInclusive<f64> = 0.01..=10.0;
/// MCP calls of one check, to the ceiling of the probe host.
pub const PROBE_CALLS: RangeInclusive<u64> = 1..=1_000;
