//! How connecting and calling fail, each failure told apart from the others.

use std::time::Duration;

use mcpd_core::check::FailureKind;

/// Why a connection ended. The texts read after the server's name: `gitea closed its stdout`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The server ended its stdout, by exiting as a rule.
    #[error("closed its stdout")]
    StdoutEnded,
    /// The same, with part of a message already there.
    #[error("closed its stdout in the middle of a message")]
    StdoutEndedInMessage,
    /// Stdout could not be read.
    #[error("its stdout could not be read: {0}")]
    StdoutBroken(String),
    /// Stdin could not be written, because the server closed it as a rule.
    #[error("closed its stdin: {0}")]
    StdinBroken(String),
    /// mcpd closed the connection.
    #[error("was disconnected by mcpd")]
    ClosedByUs,
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The deadline passed.
    #[error("timed out after {after:?}")]
    Timeout {
        /// The time the call was given.
        after: Duration,
    },
    /// The connection ended while the call was under way: whether the server acted on it is not known.
    #[error("connection lost while {method} was under way: the server {reason}")]
    Lost {
        /// The method called.
        method: String,
        /// What ended it.
        reason: CloseReason,
    },
    /// The connection had ended before; the call was never sent.
    #[error("{method} not sent, there is no connection: the server {reason}")]
    NotConnected {
        /// The method called.
        method: String,
        /// What ended it.
        reason: CloseReason,
    },
    /// As many calls are in flight as may be.
    #[error("{limit} calls are in flight, the most that one connection takes")]
    TooManyCalls {
        /// [`crate::Limits::calls_in_flight`].
        limit: usize,
    },
    /// The server does not read its stdin and the queue before it is full.
    #[error("the server does not read its stdin, and the limit of {limit} bytes waiting for it is reached")]
    QueueFull {
        /// [`crate::Limits::queue_bytes`].
        limit: usize,
    },
    /// The request is longer than a message may be.
    #[error("request of {bytes} bytes is over the limit of {limit} bytes for a message")]
    RequestTooLarge {
        /// Its length.
        bytes: usize,
        /// [`crate::Limits::message_bytes`].
        limit: usize,
    },
    /// The answer is longer than a message may be; it was skipped.
    #[error("answer of {bytes} bytes is over the limit of {limit} bytes for a message")]
    AnswerTooLarge {
        /// Its length.
        bytes: u64,
        /// [`crate::Limits::message_bytes`].
        limit: usize,
    },
    /// The answer bore the call's id but is no JSON-RPC answer.
    #[error("answer to {method} is not valid JSON-RPC: {what}")]
    Protocol {
        /// The method called.
        method: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// `params` has to carry `_meta` and is not an object.
    #[error("params of {method} are not a JSON object, so they cannot carry the _meta of this revision")]
    ParamsNotObject {
        /// The method called.
        method: String,
    },
}

impl CallError {
    /// What a check makes of it.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Timeout { .. } => FailureKind::Timeout,
            // A server that leaves its stdin unread for so long is as good as gone.
            Self::Lost { .. } | Self::NotConnected { .. } | Self::QueueFull { .. } => FailureKind::Transport,
            Self::AnswerTooLarge { .. } | Self::Protocol { .. } => FailureKind::Protocol,
            Self::RequestTooLarge { .. } | Self::ParamsNotObject { .. } => FailureKind::Invalid,
            // Our own bound; it says nothing certain about the server.
            Self::TooManyCalls { .. } => FailureKind::Host,
        }
    }

    /// The open, stable word beside the kind (`failure.reason` of the contract with probes).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timed-out",
            Self::Lost { .. } => "connection-closed",
            Self::NotConnected { .. } => "not-connected",
            Self::TooManyCalls { .. } => "too-many-calls",
            Self::QueueFull { .. } => "queue-full",
            Self::RequestTooLarge { .. } => "request-too-large",
            Self::AnswerTooLarge { .. } => "answer-too-large",
            Self::Protocol { .. } => "invalid-answer",
            Self::ParamsNotObject { .. } => "params-not-object",
        }
    }

    /// Whether the server certainly never saw the call, so that sending it elsewhere is no second time.
    pub fn is_unsent(&self) -> bool {
        !matches!(
            self,
            Self::Timeout { .. } | Self::Lost { .. } | Self::AnswerTooLarge { .. } | Self::Protocol { .. }
        )
    }
}

/// Why a server could not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// No answer in time.
    #[error("server {server} did not answer the handshake within {after:?}")]
    Silent {
        /// The server.
        server: String,
        /// The time it was given.
        after: Duration,
    },
    /// The connection ended during the handshake.
    #[error("server {server} {reason} during the handshake")]
    Lost {
        /// The server.
        server: String,
        /// What ended it.
        reason: CloseReason,
    },
    /// The server refused the one way that was open.
    #[error("server {server} refused {method}: {words}")]
    Refused {
        /// The server.
        server: String,
        /// `initialize` or `server/discover`.
        method: &'static str,
        /// The server's words and code.
        words: String,
    },
    /// The server refused both ways.
    #[error("server {server} refused initialize: {initialize}; and server/discover: {discover}")]
    RefusedBoth {
        /// The server.
        server: String,
        /// Its words about `initialize`.
        initialize: String,
        /// Its words about `server/discover`.
        discover: String,
    },
    /// The server speaks no revision that mcpd speaks, or not the pinned one.
    #[error("server {server} speaks protocol version {spoken}, wanted {wanted}")]
    Version {
        /// The server.
        server: String,
        /// What it named.
        spoken: String,
        /// What would have done.
        wanted: String,
    },
    /// The answer to the handshake makes no sense.
    #[error("server {server} gave an answer to {method} that mcpd cannot use: {what}")]
    Protocol {
        /// The server.
        server: String,
        /// `initialize` or `server/discover`.
        method: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl ConnectError {
    /// The same error, with the server's own words in it changed. They are as long as a message may be and may
    /// hold secrets, so whoever shows them masks and then cuts them.
    #[must_use]
    pub fn map_words(mut self, change: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::Silent { .. } | Self::Lost { .. } => {}
            Self::Refused { words, .. } => *words = change(words),
            Self::RefusedBoth { initialize, discover, .. } => {
                (*initialize, *discover) = (change(initialize), change(discover));
            }
            Self::Version { spoken, .. } => *spoken = change(spoken),
            Self::Protocol { what, .. } => *what = change(what),
        }
        self
    }

    /// What a check makes of it.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Silent { .. } => FailureKind::Timeout,
            Self::Lost { .. } => FailureKind::Transport,
            Self::Refused { .. } | Self::RefusedBoth { .. } => FailureKind::Rpc,
            Self::Version { .. } | Self::Protocol { .. } => FailureKind::Protocol,
        }
    }
}
