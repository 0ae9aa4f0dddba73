//! What a server asks for of the container it runs in.

use mcpd_api::manifest::{Launch, PullPolicy, Resources, ServerManifest, Volume};

use super::sheet::Sheet;

/// A line for each thing that is asked for; nothing for a server that never runs in a container.
pub(super) fn fields(sheet: &mut Sheet, spec: &ServerManifest) {
    let port = match &spec.launch {
        Launch::Image { container_port, pull_policy, pull_secret, .. } => {
            let login = pull_secret.as_ref().map(|secret| format!(", with the login of secret {secret}"));
            sheet.field("Pull", &format!("{}{}", pulled(*pull_policy), login.unwrap_or_default()));
            *container_port
        }
        Launch::Package { container_port, .. } => *container_port,
        Launch::Command { .. } | Launch::External { .. } => return,
    };
    sheet.field("Limits", &spec.resources.as_ref().map(limits).unwrap_or_default());
    for (index, volume) in spec.volumes.iter().enumerate() {
        sheet.field(if index == 0 { "Volumes" } else { "" }, &mount(volume));
    }
    sheet.field("Root", if spec.read_only_root_filesystem { "read-only, /tmp in memory" } else { "" });
    sheet.field("Port", &port.map(|port| format!("{port} in the container")).unwrap_or_default());
}

fn pulled(policy: PullPolicy) -> &'static str {
    match policy {
        PullPolicy::IfNotPresent => "if not present",
        PullPolicy::Always => "always",
        PullPolicy::Never => "never",
    }
}

/// What is left out is the daemon's configured default.
fn limits(resources: &Resources) -> String {
    let parts = [
        resources.memory_mib.map(|memory| format!("{memory} MiB of memory")),
        resources.cpus.map(|cpus| format!("{cpus} CPUs")),
        resources.pids.map(|pids| format!("{pids} processes")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn mount(volume: &Volume) -> String {
    let read_only = if volume.read_only { " (read-only)" } else { "" };
    format!("{} at {}{read_only}", volume.source, volume.target)
}
