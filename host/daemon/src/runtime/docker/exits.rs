//! How a container ended, as far as the engine says.

use bollard::models::{ContainerInspectResponse, ContainerState};

use crate::runtime::Exit;

/// What the engine reports of a program that was killed: 128 and the number of SIGKILL.
const KILLED: i64 = 137;

/// How an inspected container ended; `None` while it runs.
///
/// A code above 128 stays a code: where a signal ended the server, the container's init reports 128 and its number,
/// and a server that chose to exit with such a code looks the same.
pub(super) fn exit(container: &ContainerInspectResponse) -> Option<Exit> {
    let ContainerState { running, paused, oom_killed, exit_code, .. } = container.state.as_ref()?;
    if *running == Some(true) || *paused == Some(true) {
        return None;
    }
    // The flag stays where the kernel ended a child and the server went on.
    if *oom_killed == Some(true) && *exit_code == Some(KILLED) {
        return Some(Exit::OutOfMemory);
    }
    Some(from_code(*exit_code))
}

/// How a container ended of which nothing but its code is known, where as much.
pub(super) fn from_code(code: Option<i64>) -> Exit {
    code.and_then(|code| i32::try_from(code).ok()).map_or(Exit::Unseen, Exit::Code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_of(running: bool, oom_killed: bool, exit_code: i64) -> Option<Exit> {
        let (running, oom_killed, exit_code) = (Some(running), Some(oom_killed), Some(exit_code));
        let state = ContainerState { running, oom_killed, exit_code, ..ContainerState::default() };
        exit(&ContainerInspectResponse { state: Some(state), ..ContainerInspectResponse::default() })
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
