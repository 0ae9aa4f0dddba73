//! One line for each thing that becomes of an instance or a runtime, where nobody watches on a terminal.

use std::collections::BTreeMap;
use std::sync::Arc;

use mcpd_api::show::instances::pulling;
use mcpd_api::view::{HealthStatus, InstanceStatus, InstanceView, PartState, PartView, Verdict};
use tokio::sync::broadcast::error::RecvError;

use super::views;
use crate::app::App;

/// Prints a line for each instance whose state is told in other words than before, until mcpd ends.
pub(super) async fn show(app: &Arc<App>) -> anyhow::Result<()> {
    let mut changes = app.board.watch();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    let mut states = BTreeMap::new();
    loop {
        tell_runtimes(&app.runtimes(), &mut states);
        tell(app, &mut told);
        match changes.recv().await {
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

/// Once for each state: how many run there is told by the lines of the instances.
#[expect(clippy::print_stdout, reason = "this is what `mcpd up` shows")]
fn tell_runtimes(runtimes: &[PartView], told: &mut BTreeMap<String, PartState>) {
    for PartView { name, state, message, hint, .. } in runtimes {
        if told.insert(name.clone(), *state) != Some(*state) {
            let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            println!("{name:<24} {:<8} {message}{hint}", state.as_str());
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what `mcpd up` shows")]
fn tell(app: &App, told: &mut BTreeMap<String, String>) {
    for view in views(app) {
        let line = line(&view);
        if told.get(&view.id) != Some(&line) {
            println!("{line}");
            told.insert(view.id, line);
        }
    }
    told.retain(|id, _| app.board.find_instance(id).is_some());
}

/// `demo  RUNNING  healthy  ready  whoami ok`, with the words that tell most at the end.
fn line(view: &InstanceView) -> String {
    let health = view.health_status.map_or("", mcpd_api::view::HealthStatus::as_str);
    let ready = match (view.ready, view.verified) {
        (true, true) => "ready",
        (true, false) => "ready (unverified)",
        (false, _) => "not ready",
    };
    let words = words(view);
    format!("{:<24} {:<8} {health:<9} {ready:<18} {words}", view.server, view.status).trim_end().to_owned()
}

fn words(view: &InstanceView) -> String {
    if let Some(error) = &view.metadata.error {
        let next = view.metadata.next_retry_at.map(|at| format!(" (next attempt at {at:.0})"));
        return format!("{error}{}", next.unwrap_or_default());
    }
    if let Some(pulling) = pulling(view) {
        // Not how far it is: that would be a line a second.
        return pulling.split(": ").next().unwrap_or(pulling).to_owned();
    }
    // What a check found speaks of what runs now, and of nothing else.
    let is_known = view.health_status.is_some_and(|health| health != HealthStatus::Unknown);
    match &view.last_check {
        _ if view.status != InstanceStatus::Running || !is_known => String::new(),
        Some(check) if check.verdict == Verdict::Pass && check.message == "ok" => {
            format!("{} ok", check.tool.as_deref().unwrap_or(&check.probe))
        }
        Some(check) => check.message.clone(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(status: &str, health: Option<&str>) -> String {
        line(&view(status, health))
    }

    fn view(status: &str, health: Option<&str>) -> InstanceView {
        let view = json!({
            "id": "k3v9x2", "serverId": "s1", "server": "demo", "status": status, "containerId": null, "pid": null,
            "port": null, "healthStatus": health, "verified": false, "ready": false, "lastHealthCheck": null,
            "conditions": [], "events": [], "restarts": 0, "image": null, "protocolVersion": null, "version": 1,
            "metadata": {"attemptCount": 0, "lastAttemptAt": null, "nextRetryAt": null, "error": null},
            "lastCheck": {"verdict": "pass", "message": "ok", "reason": "", "kind": null, "durationMs": 3.2,
                "at": "2026-01-01T00:00:00Z", "probe": "tool-call", "tool": "whoami"},
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn a_pull_is_told_once_and_not_a_line_a_second() {
        let pull = |message: &str| {
            json!([{"type": "Normal", "reason": "Pulling", "message": message, "count": 1,
                "timestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z"}])
        };
        let told = |message| {
            line(&InstanceView {
                events: serde_json::from_value(pull(message)).unwrap(),
                ..view("STARTING", None)
            })
        };
        assert!(told("pulling image demo:1: 3 of 9 MiB").ends_with("pulling image demo:1"));
        assert_eq!(told("pulling image demo:1"), told("pulling image demo:1: 5 of 9 MiB"));
    }

    #[test]
    fn a_check_of_an_earlier_run_is_not_told() {
        assert!(told("RUNNING", Some("healthy")).ends_with("whoami ok"));
        for (status, health) in [
            ("STARTING", Some("healthy")),
            ("STOPPING", Some("unknown")),
            ("RUNNING", Some("unknown")),
            ("RUNNING", None),
        ] {
            assert!(told(status, health).ends_with("not ready"), "{status} {health:?}");
        }
    }
}
