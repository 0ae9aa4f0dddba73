//! What the engine knows of one container, as far as it matters here.

use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, NetworkSettings};
use jiff::Timestamp;
use mcpd_core::secret::{Redactor, SecretValue};
use mcpd_core::server::Revision;

use super::labels;
use crate::runtime::Exit;

/// What the engine reports of a program that was killed: 128 and the number of SIGKILL.
pub(super) const KILLED: i64 = 137;

/// A container as the engine sees it.
pub(super) struct Seen {
    /// Its id.
    pub(super) id: String,
    /// Whose it is, where it is one of ours or of another mcpd.
    owner: Option<String>,
    /// How it ended; none while it runs.
    pub(super) exit: Option<Exit>,
    /// Whether it was ever more than created.
    pub(super) was_started: bool,
    /// Since when it runs.
    pub(super) since: Option<Timestamp>,
    /// The port of this host that leads into it.
    pub(super) port: Option<u16>,
    /// The image it runs, as it was named.
    pub(super) image: String,
    /// What it was started with.
    pub(super) revision: Revision,
    /// Masks the secrets in its environment.
    pub(super) redactor: Redactor,
}

impl From<ContainerInspectResponse> for Seen {
    fn from(container: ContainerInspectResponse) -> Self {
        let state = container.state.unwrap_or_default();
        let config = container.config.unwrap_or_default();
        let (labels, env) = (config.labels.unwrap_or_default(), config.env.unwrap_or_default());
        let values = labels::secret_values(&labels, &env).into_iter().map(str::to_owned);
        let values: Vec<_> = values.map(SecretValue::new).collect();
        Self {
            id: container.id.unwrap_or_default(),
            owner: labels.get(labels::OWNER).cloned(),
            exit: exit(&state),
            was_started: state.status != Some(ContainerStateStatusEnum::CREATED),
            since: state.started_at.and_then(|since| since.parse().ok()),
            port: container.network_settings.and_then(|network| published(&network)),
            image: config.image.unwrap_or_default(),
            revision: labels::revision(&labels),
            redactor: Redactor::new(&values),
        }
    }
}

impl Seen {
    /// Whether it belongs to this owner.
    pub(super) fn is_owned_by(&self, owner: &str) -> bool {
        self.owner.as_deref() == Some(owner)
    }
}

/// How a container ended of which nothing but its code is known, where as much.
///
/// A code above 128 stays a code: where a signal ended the server, the container's init reports 128 and its number,
/// and a server that chose to exit with such a code looks the same.
pub(super) fn from_code(code: Option<i64>) -> Exit {
    code.and_then(|code| i32::try_from(code).ok()).map_or(Exit::Unseen, Exit::Code)
}

fn exit(state: &ContainerState) -> Option<Exit> {
    if state.running == Some(true) || state.paused == Some(true) {
        return None;
    }
    // The flag stays where the kernel ended a child and the server went on.
    if state.oom_killed == Some(true) && state.exit_code == Some(KILLED) {
        return Some(Exit::OutOfMemory);
    }
    Some(from_code(state.exit_code))
}

fn published(network: &NetworkSettings) -> Option<u16> {
    let bindings = network.ports.as_ref()?.values().flatten();
    bindings.flatten().find_map(|binding| binding.host_port.as_ref()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_of(running: bool, oom_killed: bool, exit_code: i64) -> Option<Exit> {
        let (running, oom_killed, exit_code) = (Some(running), Some(oom_killed), Some(exit_code));
        exit(&ContainerState { running, oom_killed, exit_code, ..ContainerState::default() })
    }

    #[test]
    fn an_exit_is_what_the_engine_says() {
        assert_eq!(exit_of(true, false, 0), None);
        assert_eq!(exit_of(false, false, 0), Some(Exit::Code(0)));
        assert_eq!(exit_of(false, false, 137), Some(Exit::Code(137)));
        assert_eq!(exit_of(false, true, 137), Some(Exit::OutOfMemory));
        assert_eq!(
            exit_of(false, true, 1),
            Some(Exit::Code(1)),
            "a child ran out of memory, the server did not"
        );
        assert_eq!(from_code(None), Exit::Unseen);
    }
}
