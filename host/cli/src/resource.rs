//! The kinds of things there are, in the words people use for them.

use crate::trouble::{Done, Trouble};

/// A kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    Servers,
    Instances,
    Secrets,
    SecretBackends,
    Probes,
    Events,
}

impl Resource {
    /// Singular, plural or short, in any case.
    pub(crate) fn parse(word: &str) -> Done<Self> {
        match word.to_ascii_lowercase().as_str() {
            "server" | "servers" | "srv" => Ok(Self::Servers),
            "instance" | "instances" | "inst" => Ok(Self::Instances),
            "secret" | "secrets" | "sec" => Ok(Self::Secrets),
            "secretbackend" | "secretbackends" | "sb" => Ok(Self::SecretBackends),
            "probe" | "probes" => Ok(Self::Probes),
            "event" | "events" | "ev" => Ok(Self::Events),
            _ => Err(Trouble::Usage(format!(
                "`{word}` is no kind: there are servers, instances, secrets, secretbackends, probes and events"
            ))),
        }
    }

    /// Its path below `/api/v1`.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Servers => "/servers",
            Self::Instances => "/instances",
            Self::Secrets => "/secrets",
            Self::SecretBackends => "/secretbackends",
            Self::Probes => "/probes",
            Self::Events => "/events",
        }
    }

    /// The word for several.
    pub(crate) fn plural(self) -> &'static str {
        self.path().trim_start_matches('/')
    }

    /// The word for one.
    pub(crate) fn singular(self) -> &'static str {
        self.plural().trim_end_matches('s')
    }
}
