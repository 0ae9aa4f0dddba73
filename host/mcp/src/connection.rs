//! The connection as its users hold it.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::handshake::{self, Session};
use crate::link::{Call, Link, OnAbandon};
use crate::pipe::Stdin;
use crate::{Answer, CallError, Caller, CloseReason, ConnectError, ConnectOptions, InFlight, Traffic};

/// A live MCP connection to one instance. Clones share it; when the last one is dropped both streams
/// are closed.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    server: String,
    session: Session,
    link: Arc<Link>,
    /// The tasks of the connection: dropping the set ends them.
    _tasks: JoinSet<()>,
}

impl Connection {
    /// Connects to a process over the pipes at its stdout and stdin: makes the handshake and gives the
    /// connection when the server has answered it. On an error both are closed. A pipe tells more than
    /// another stream does: that the server has closed its stdin is noticed at once, and the silence
    /// of a server that is still starting is not taken for a refusal.
    pub async fn open_pipes(
        stdout: OwnedFd,
        stdin: OwnedFd,
        options: ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let unusable = |error: std::io::Error| ConnectError::Lost {
            server: options.server.clone(),
            reason: CloseReason::StdinBroken(error.to_string()),
        };
        let stdout = Receiver::from_owned_fd(stdout).map_err(unusable)?;
        let stdin = Stdin::new(stdin).map_err(unusable)?;
        let watch = stdin.watch();
        let mut tasks = JoinSet::new();
        let link = Link::start(stdout, stdin, &options, &mut tasks);
        tasks.spawn(watch.clone().guard(Arc::clone(&link)));
        let session = handshake::run(&link, &options, &|| watch.is_unread()).await?;
        Ok(Self::new(options, session, link, tasks))
    }

    /// Connects over any pair of streams, such as an attached container: `stdout` of the server and its
    /// `stdin`. That stdin is closed is noticed at the next write.
    pub async fn open(
        stdout: impl AsyncRead + Send + Unpin + 'static,
        stdin: impl AsyncWrite + Send + Unpin + 'static,
        options: ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let mut tasks = JoinSet::new();
        let link = Link::start(stdout, stdin, &options, &mut tasks);
        let session = handshake::run(&link, &options, &|| false).await?;
        Ok(Self::new(options, session, link, tasks))
    }

    fn new(options: ConnectOptions, session: Session, link: Arc<Link>, tasks: JoinSet<()>) -> Self {
        Self(Arc::new(Inner { server: options.server, session, link, _tasks: tasks }))
    }

    /// Makes an MCP request. Parameters and answer pass as they are, also an answer that is an error.
    /// The call ends with the answer, with a typed error, or at its deadline; then, and when this future
    /// is dropped, the server is told that nobody waits any more. It is never sent twice.
    pub async fn request(
        &self,
        caller: Caller,
        method: &str,
        params: Option<&RawValue>,
        deadline: Duration,
    ) -> Result<Answer, CallError> {
        let meta = self.0.session.meta.as_deref();
        let on_abandon = if method == "initialize" { OnAbandon::SayNothing } else { OnAbandon::Cancel };
        self.0.link.call(&Call { caller, method, params, meta, deadline, on_abandon }).await
    }

    /// The name the connection was opened with.
    pub fn server(&self) -> &str {
        &self.0.server
    }

    /// The revision spoken, such as `2025-11-25`.
    pub fn protocol_version(&self) -> &str {
        self.0.session.version.as_str()
    }

    /// What the server said of itself in the handshake: a JSON object with those of `serverInfo`,
    /// `capabilities` and `instructions` that it gave, untouched. 256 KiB at most: a member for which there is
    /// no room is left out, and its length told in the log.
    pub fn server_info(&self) -> &str {
        &self.0.session.server_info
    }

    /// The transport, in the words of the contract with probes.
    pub fn transport(&self) -> &'static str {
        "stdio"
    }

    /// How many calls are in flight now.
    pub fn in_flight(&self) -> InFlight {
        self.0.link.calls.in_flight()
    }

    /// Whether one client's call, itself within its deadline, has been in flight all the time from
    /// `start` until now (reason Busy, behaviour 6.8).
    pub fn is_busy_since(&self, start: Instant) -> bool {
        self.0.link.calls.client_since(start)
    }

    /// What has passed beside the answers.
    pub fn traffic(&self) -> Traffic {
        self.0.link.counters.read()
    }

    /// Waits until the connection has ended, and says why. Gives the same answer ever after.
    pub async fn closed(&self) -> CloseReason {
        self.0.link.closed().await
    }

    /// Why the connection has ended; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.0.link.ended()
    }

    /// Closes stdin, which asks the server to exit. New calls are refused from now on; a call whose
    /// request was sent completely may still be answered, until the server ends its stdout.
    pub fn close(&self) {
        self.0.link.stop_sending(&CloseReason::ClosedByUs);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.0.server)
            .field("protocol_version", &self.protocol_version())
            .finish_non_exhaustive()
    }
}
