//! One instance as it was observed.

use mcpd_api::view::{HealthStatus, InstanceStatus, InstanceView, RetryView};
use mcpd_core::health;
use mcpd_core::instance::{Instance, Phase};

use super::check::last_check;
use super::condition::condition_view;
use super::event::event_view;
use super::version;
use crate::state::Cell;

/// The instance in this cell, of the server with this id.
pub(crate) fn instance_view(cell: &Cell, server_id: String) -> InstanceView {
    let run = cell.run();
    let (number, updated_at) = cell.version();
    let last = cell.last_check();
    let view = cell.read(|instance| of_instance(instance, server_id));
    InstanceView {
        container_id: run.as_ref().and_then(|run| run.container_id.clone()),
        pid: run.as_ref().and_then(|run| run.pid),
        port: run.as_ref().and_then(|run| run.port),
        image: run.and_then(|run| run.image),
        last_health_check: last.as_ref().map(|check| check.at),
        last_check: last.as_deref().map(last_check),
        version: version(number),
        updated_at,
        ..view
    }
}

/// What the instance itself knows.
fn of_instance(instance: &Instance, server_id: String) -> InstanceView {
    InstanceView {
        id: instance.id.to_string(),
        server_id,
        server: instance.server.to_string(),
        status: status_of(&instance.phase),
        container_id: None,
        pid: None,
        port: None,
        health_status: instance.health.status().map(health_of),
        verified: instance.conditions.is_verified(),
        ready: instance.is_ready(),
        last_health_check: None,
        conditions: instance.conditions.iter().map(condition_view).collect(),
        events: instance.events.iter().map(event_view).collect(),
        metadata: retry_view(instance),
        last_check: None,
        restarts: instance.restarts,
        image: None,
        protocol_version: instance.protocol_version().map(str::to_owned),
        version: 0,
        created_at: instance.created_at,
        updated_at: instance.created_at,
    }
}

fn retry_view(instance: &Instance) -> RetryView {
    RetryView {
        attempt_count: instance.attempts.count,
        last_attempt_at: instance.attempts.last_at,
        next_retry_at: instance.next_retry_at(),
        error: instance.error().map(|error| error.message.clone()),
    }
}

fn status_of(phase: &Phase) -> InstanceStatus {
    match phase {
        Phase::Starting => InstanceStatus::Starting,
        Phase::Running(_) => InstanceStatus::Running,
        Phase::Stopping(_) => InstanceStatus::Stopping,
        Phase::Failed(_) => InstanceStatus::Error,
    }
}

fn health_of(status: health::HealthStatus) -> HealthStatus {
    match status {
        health::HealthStatus::Healthy => HealthStatus::Healthy,
        health::HealthStatus::Degraded => HealthStatus::Degraded,
        health::HealthStatus::Unhealthy => HealthStatus::Unhealthy,
        health::HealthStatus::Unknown => HealthStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{failed, ready};
    use super::*;
    use mcpd_core::time::between;

    #[test]
    fn a_failed_attempt_shows_its_error_and_the_time_of_the_next() {
        let view = of_instance(&failed("a", "secret resolution failed: …"), "s1".to_owned());
        assert_eq!(view.status, InstanceStatus::Error);
        assert_eq!(view.metadata.attempt_count, 1);
        assert_eq!(view.metadata.error.as_deref(), Some("secret resolution failed: …"));
        let wait = between(view.metadata.last_attempt_at.unwrap(), view.metadata.next_retry_at.unwrap());
        assert!((30..=33).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!((view.health_status, view.ready, view.verified), (None, false, false));
    }

    #[test]
    fn what_only_has_the_default_check_is_ready_but_not_verified() {
        let view = of_instance(&ready("a"), "s1".to_owned());
        assert_eq!((view.status, view.health_status), (InstanceStatus::Running, Some(HealthStatus::Healthy)));
        assert_eq!((view.ready, view.verified), (true, false));
        assert_eq!(view.protocol_version.as_deref(), Some("2025-11-25"));
    }
}
