//! How each runtime is, for `/readyz` and `/status`: from what was seen last, so that an engine that hangs delays
//! nobody who asks.

use std::sync::Arc;

use mcpd_api::view::{PartState, PartView};

use crate::runtime::{EngineState, RuntimeKind, Sight};
use crate::state::Cell;

/// What can be done about an engine that does not answer.
const HINT: &str = "start it (systemctl start docker), let the user of mcpd use its socket, or name another with \
                    runtime.docker.host or DOCKER_HOST; containers that run on are taken over when it answers";

/// The processes of this host first, then each engine.
pub(super) fn of_runtimes(engines: &[EngineState], instances: &[Arc<Cell>]) -> Vec<PartView> {
    let mut counts = Counts::default();
    for cell in instances {
        counts.add(cell);
    }
    let process = PartView {
        name: format!("runtime {}", RuntimeKind::Process),
        state: PartState::Ok,
        message: format!("{} running", counts.processes),
        since: None,
        hint: None,
    };
    std::iter::once(process).chain(engines.iter().map(|engine| of_engine(engine, &counts))).collect()
}

#[derive(Debug, Default)]
struct Counts {
    processes: usize,
    containers: usize,
}

impl Counts {
    fn add(&mut self, cell: &Cell) {
        match cell.run() {
            Some(run) if run.container_id.is_some() => self.containers += 1,
            Some(_) => self.processes += 1,
            None => {}
        }
    }
}

fn of_engine(engine: &EngineState, counts: &Counts) -> PartView {
    let (state, message) = match &engine.sight {
        Sight::Seen(engine) => (PartState::Ok, format!("{engine}, {} running", counts.containers)),
        Sight::Unneeded => (PartState::Unneeded, "nothing has needed it".to_owned()),
        Sight::Lost(reason) => {
            (PartState::Failing, format!("{reason}; {} ran when it was seen last", counts.containers))
        }
    };
    let is_lost = state == PartState::Failing;
    PartView {
        name: format!("runtime {}", engine.kind),
        state,
        message,
        since: (state != PartState::Unneeded).then_some(engine.since),
        hint: is_lost.then(|| HINT.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn told(sight: Sight) -> String {
        let engine = EngineState { kind: RuntimeKind::Docker, sight, since: Timestamp::UNIX_EPOCH };
        let parts = of_runtimes(&[engine], &[]);
        assert_eq!((parts[0].name.as_str(), parts[0].message.as_str()), ("runtime process", "0 running"));
        let PartView { name, state, message, since, hint } = &parts[1];
        format!("{name} {state:?} {message} {} {}", since.is_some(), hint.is_some())
    }

    #[test]
    fn an_engine_is_told_as_it_was_seen_last() {
        assert_eq!(told(Sight::Unneeded), "runtime docker Unneeded nothing has needed it false false");
        assert_eq!(
            told(Sight::Seen("Docker Engine 20.10".to_owned())),
            "runtime docker Ok Docker Engine 20.10, 0 running true false"
        );
        let lost = told(Sight::Lost("connection refused".to_owned()));
        assert_eq!(lost, "runtime docker Failing connection refused; 0 ran when it was seen last true true");
        assert_eq!(of_runtimes(&[], &[]).len(), 1);
    }
}
