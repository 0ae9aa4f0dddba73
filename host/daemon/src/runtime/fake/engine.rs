//! The containers of the fake runtime: they outlive mcpd, and their engine goes away and comes back.

use jiff::Timestamp;
use mcpd_core::name::{InstanceId, ServerName};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{FakeRuntime, OnAttach, PIPE_BYTES, Run, State};
use crate::runtime::{
    Adopted, Adoption, Container, EngineState, Exit, Handle, RuntimeError, RuntimeEvent, RuntimeKind, Sight,
    StartRequest, Started, Streams,
};

/// What is special about a run in a container.
pub(super) struct Contained {
    pub(super) request: StartRequest,
    pub(super) attachments: mpsc::UnboundedSender<Attachment>,
    /// Where it listens, in place of streams.
    pub(super) port: Option<u16>,
}

/// What becomes of the streams of a container.
pub(super) enum Attachment {
    To(DuplexStream),
    Off,
}

/// Whether what is attached ends with the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attachments {
    /// The engine was killed.
    Break,
    /// The engine is frozen: nothing ends, and nothing passes.
    Hang,
}

impl Contained {
    /// New streams; nobody at the other end where the container has ended.
    pub(super) fn attach(&self) -> Streams {
        if let Some(port) = self.port {
            return Streams::Http { address: ([127, 0, 0, 1], port).into() };
        }
        let (ours, theirs) = duplex(PIPE_BYTES);
        let _ = self.attachments.send(Attachment::To(theirs));
        let (stdout, stdin) = tokio::io::split(ours);
        Streams::Other { stdin: Box::new(stdin), stdout: Box::new(stdout) }
    }
}

impl FakeRuntime {
    /// mcpd ends, however it does: processes end, and containers go on, watched by nobody until the next one is
    /// there ([`Self::is_born_again`]).
    pub(crate) fn orphaned(&self) {
        let mut state = self.lock();
        let (contained, processes): (Vec<_>, Vec<_>) =
            state.runs.drain().partition(|(_, run)| run.contained.is_some());
        for (_, run) in processes {
            run.task.abort();
        }
        let kept: Vec<ServerName> = contained.iter().map(|(_, run)| run.server.clone()).collect();
        state.scripts.retain(|server, _| kept.contains(server));
        state.runs = contained.into_iter().map(|(id, run)| (id, Run { number: 0, ..run })).collect();
        state.history = super::History::default();
        state.is_watched = false;
    }

    /// The next mcpd is there.
    pub(crate) fn is_born_again(&self) {
        self.lock().is_watched = true;
    }

    /// The engine goes, and mcpd is told.
    pub(crate) fn go_away(&self, words: &str, attachments: Attachments) {
        self.go_away_unnoticed(words, attachments);
        let (kind, at) = (RuntimeKind::Docker, Timestamp::UNIX_EPOCH);
        let _ = self.events.send(RuntimeEvent::Away { kind, reason: words.to_owned(), at });
    }

    /// The engine goes, and nobody has noticed yet.
    pub(crate) fn go_away_unnoticed(&self, words: &str, attachments: Attachments) {
        let mut state = self.lock();
        state.away = Some(words.to_owned());
        state.is_frozen = attachments == Attachments::Hang;
        if attachments == Attachments::Break {
            let contained = state.runs.values().filter_map(|run| run.contained.as_ref());
            contained.for_each(|contained| drop(contained.attachments.send(Attachment::Off)));
        }
    }

    /// The engine answers, too late to believe what was seen meanwhile; until it is told that there is none.
    pub(crate) fn is_in_trouble(&self, words: Option<&str>) {
        self.lock().trouble = words.map(str::to_owned);
    }

    /// The engine is back, and nobody is told.
    pub(crate) fn come_back_unnoticed(&self) {
        let mut state = self.lock();
        (state.away, state.is_frozen) = (None, false);
    }

    /// The engine is back, and mcpd is told, of what ended meanwhile first.
    pub(crate) fn come_back(&self) {
        let missed = {
            let mut state = self.lock();
            (state.away, state.is_frozen) = (None, false);
            std::mem::take(&mut state.missed)
        };
        for (instance, run, exit) in missed {
            self.tell(&instance, run, exit, "");
        }
        let (kind, at) = (RuntimeKind::Docker, Timestamp::UNIX_EPOCH);
        let _ = self.events.send(RuntimeEvent::Back { kind, at });
    }

    /// The attachment of a container ends, and the container runs on.
    pub(crate) fn detach(&self, instance: &InstanceId) {
        if let Some(contained) = self.lock().runs.get(instance).and_then(|run| run.contained.as_ref()) {
            let _ = contained.attachments.send(Attachment::Off);
        }
    }

    /// A container of this mcpd that no instance knows.
    pub(crate) fn plant(&self, instance: &str, like: &InstanceId) {
        let request = self.lock().runs[like].contained.as_ref().unwrap().request.clone();
        self.run(&StartRequest { instance: instance.into(), ..request }).unwrap();
    }

    pub(super) fn refuse_if_away(&self) -> Result<(), RuntimeError> {
        match &self.lock().away {
            None => Ok(()),
            Some(words) => Err(RuntimeError::EngineAway {
                endpoint: "unix:///fake.sock".to_owned(),
                reason: words.clone(),
            }),
        }
    }

    pub(super) fn engine(&self) -> EngineState {
        let sight = match &self.lock().away {
            Some(words) => Sight::Lost(words.clone()),
            None => Sight::Seen("fake 1".to_owned()),
        };
        EngineState { kind: RuntimeKind::Docker, sight, since: Timestamp::UNIX_EPOCH }
    }

    pub(super) fn take_over(&self, instance: &InstanceId) -> Adoption {
        let mut state = self.lock();
        state.history.adoptions.push((instance.clone(), Instant::now()));
        if let Some(exit) = state.ended.remove(instance) {
            return Adoption::Ended(exit);
        }
        state.last_number += 1;
        let number = state.last_number;
        let Some(run) = state.runs.get_mut(instance) else { return Adoption::Nothing };
        run.number = number;
        let Some(contained) = &run.contained else { return Adoption::Nothing };
        Adoption::Running(Box::new(Adopted {
            revision: contained.request.revision.clone(),
            since: Timestamp::UNIX_EPOCH,
            redactor: contained.request.redactor.clone(),
            started: started(number, instance, contained),
        }))
    }

    pub(super) fn attach_anew(&self, instance: &InstanceId, number: u64) -> Option<Streams> {
        let mut state = self.lock();
        state.history.reattachments.push((instance.clone(), Instant::now()));
        let run = state.runs.get(instance).filter(|run| run.number == number)?;
        let contained = run.contained.as_ref()?;
        match state.script(&run.server).attach {
            OnAttach::Works => Some(contained.attach()),
            OnAttach::EndsAtOnce => {
                let (stdin, stdout) = (tokio::io::sink(), tokio::io::empty());
                Some(Streams::Other { stdin: Box::new(stdin), stdout: Box::new(stdout) })
            }
            OnAttach::Never => None,
        }
    }
}

impl State {
    /// An end of which mcpd cannot hear now: told when the engine is back, or found by the next mcpd.
    pub(super) fn keep_unheard(&mut self, instance: &InstanceId, run: u64, exit: Exit) -> bool {
        if !self.is_watched {
            self.ended.insert(instance.clone(), exit);
        } else if self.away.is_some() {
            self.missed.push((instance.clone(), run, exit));
        }
        !self.is_watched || self.away.is_some()
    }
}

/// A run in a container, attached to.
pub(super) fn started(run: u64, instance: &InstanceId, contained: &Contained) -> Started {
    let id = format!("container-of-{instance}");
    let place = Container { id: id.clone(), image: "fake:1".to_owned(), port: contained.port };
    let streams = contained.attach();
    Started { run, handle: Handle(id), pid: None, container: Some(place), streams }
}
