//! `kind: probe`: where a component comes from and what it may use.

use std::time::Duration;

use serde::Serialize;

use crate::bounds;
use crate::reader::Reader;
use crate::text;

/// A probe to be stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeManifest {
    /// A DNS label.
    pub name: String,
    /// A file, or `oci://registry/repo@sha256:…`. Whoever has the manifest's folder resolves it: in a body
    /// of the REST interface a relative path means nothing.
    pub source: String,
    /// What one check may use; the defaults of the probe host where left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<ProbeLimits>,
}

/// What one check may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ProbeLimits {
    /// Memory in MiB.
    #[serde(rename = "memoryMiB", skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Processor time.
    #[serde(rename = "cpuSeconds", with = "crate::seconds::option", skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Duration>,
    /// MCP calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
}

pub(super) fn read(reader: &mut Reader<'_>, name: String) -> ProbeManifest {
    let source = reader.required("source", &text::SOURCE);
    ProbeManifest { name, source, limits: reader.nested("limits").map(read_limits) }
}

fn read_limits(mut reader: Reader<'_>) -> ProbeLimits {
    let small = |number: u64| u32::try_from(number).ok();
    let limits = ProbeLimits {
        memory_mib: reader.integer("memoryMiB", bounds::PROBE_MEMORY_MIB).and_then(small),
        cpu: reader.seconds("cpuSeconds", bounds::PROBE_CPU_SECONDS),
        calls: reader.integer("calls", bounds::PROBE_CALLS).and_then(small),
    };
    reader.finish();
    limits
}
