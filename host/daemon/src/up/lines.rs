//! One line for each thing that becomes of an instance, where nobody watches on a terminal.

use std::collections::BTreeMap;
use std::sync::Arc;

use mcpd_api::view::{InstanceView, Verdict};
use tokio::sync::broadcast::error::RecvError;

use super::views;
use crate::app::App;

/// Prints a line for each instance whose state is told in other words than before, until mcpd ends.
pub(super) async fn show(app: &Arc<App>) -> anyhow::Result<()> {
    let mut changes = app.board.watch();
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        tell(app, &mut told);
        match changes.recv().await {
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Ok(()),
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
    match &view.last_check {
        Some(check) if check.verdict == Verdict::Pass && check.message == "ok" => {
            format!("{} ok", check.tool.as_deref().unwrap_or(&check.probe))
        }
        Some(check) => check.message.clone(),
        None => String::new(),
    }
}
