//! One page of the whole, in numbers.

use mcpd_api::view::{InstanceCounts, ServerCounts};
use mcpd_core::health::HealthStatus;
use mcpd_core::instance::{Instance, Phase};

use super::{Replicas, count};

/// The servers, by what can be said of them.
pub(crate) fn server_counts(servers: &[Replicas]) -> ServerCounts {
    let number = |holds: fn(&Replicas) -> bool| count(servers.iter().filter(|server| holds(server)).count());
    ServerCounts {
        total: count(servers.len()),
        ready: number(|server| server.ready() > 0),
        verified: number(|server| server.verified() > 0),
        not_ready: number(|server| server.ready() == 0 && server.desired.manifest.replicas > 0),
        stopped: number(|server| server.ready() == 0 && server.desired.manifest.replicas == 0),
    }
}

/// The instances, by status and health.
pub(crate) fn instance_counts(servers: &[Replicas]) -> InstanceCounts {
    let mut counts = InstanceCounts::default();
    for instance in servers.iter().flat_map(|server| &server.instances) {
        add(&mut counts, instance);
    }
    counts
}

fn add(counts: &mut InstanceCounts, instance: &Instance) {
    counts.total += 1;
    match &instance.phase {
        Phase::Starting => counts.starting += 1,
        Phase::Running(_) => counts.running += 1,
        Phase::Stopping(_) => counts.stopping += 1,
        Phase::Failed(_) => counts.error += 1,
    }
    if instance.running().is_some() {
        match instance.health.status() {
            Some(HealthStatus::Healthy) => counts.healthy += 1,
            Some(HealthStatus::Degraded) => counts.degraded += 1,
            Some(HealthStatus::Unhealthy) => counts.unhealthy += 1,
            Some(HealthStatus::Unknown) | None => {}
        }
    }
}
