//! What a connection is told when it is opened: names, bounds and where noise goes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::ProtocolVersion;

/// Request ids start below this. From there a connection can count for thousands of years and stays
/// below 2^53, the last integer that JavaScript servers hold exactly.
pub const ID_START_MAX: u64 = 1 << 52;

/// Takes the lines of stdout that are not JSON-RPC, and words about what was left out of an answer; they belong
/// into the instance's log, masked and then cut: a line is as long as [`Limits::message_bytes`] at most. It is
/// called by the reading task, so it must not block.
pub type Noise = Arc<dyn Fn(&str) + Send + Sync>;

/// How to open a connection.
#[derive(Clone)]
pub struct ConnectOptions {
    /// Name of the server, for messages.
    pub server: String,
    /// The only revision to speak (`protocolVersion` of the manifest); `None` negotiates.
    pub pinned: Option<ProtocolVersion>,
    /// How long the whole handshake may take. A server may have to be installed first (`npx`).
    pub handshake_timeout: Duration,
    /// The bounds of this connection.
    pub limits: Limits,
    /// First request id: chance, below [`ID_START_MAX`] (the excess is cut off). A random start keeps a
    /// server's own numbers, in its logs or its payloads, from being taken for one of ours.
    pub id_start: u64,
    /// Where lines that are not JSON-RPC go.
    pub noise: Noise,
    /// What mcpd says of itself.
    pub client: ClientInfo,
}

impl ConnectOptions {
    /// Options with the default bounds, nothing pinned, and noise dropped.
    pub fn new(server: impl Into<String>, id_start: u64) -> Self {
        Self {
            server: server.into(),
            pinned: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            limits: Limits::default(),
            id_start,
            noise: Arc::new(|_| {}),
            client: ClientInfo::default(),
        }
    }
}

/// As long as a server may take to become connected before its checks fail (behaviour 6.1).
const HANDSHAKE_TIMEOUT: Duration = Duration::from_mins(1);

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("server", &self.server)
            .field("pinned", &self.pinned)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The name and version that a server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// `clientInfo.name`.
    pub name: String,
    /// `clientInfo.version`.
    pub version: String,
}

impl Default for ClientInfo {
    fn default() -> Self {
        Self { name: "mcpd".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// The bounds of one connection. Past one, a caller gets an error that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest message in either direction, in bytes without the newline.
    pub message_bytes: usize,
    /// Most calls in flight, of clients and checks together.
    pub calls_in_flight: usize,
    /// Most bytes that wait for a server that does not read its stdin.
    pub queue_bytes: usize,
}

impl Limits {
    /// 16 MiB, the bound of interfaces.md for a line from a server.
    pub const MESSAGE_BYTES: usize = 16 << 20;
    /// Far more than a server works on at once; each costs about 200 bytes.
    pub const CALLS_IN_FLIGHT: usize = 1024;
    /// Room for one message of the largest size.
    pub const QUEUE_BYTES: usize = Self::MESSAGE_BYTES + 1;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: Self::MESSAGE_BYTES,
            calls_in_flight: Self::CALLS_IN_FLIGHT,
            queue_bytes: Self::QUEUE_BYTES,
        }
    }
}

/// The revision of that name, if this mcpd speaks it: `2024-11-05` to `2026-07-28`.
pub fn known_version(name: &str) -> Option<ProtocolVersion> {
    ProtocolVersion::KNOWN_VERSIONS.iter().find(|version| version.as_str() == name).cloned()
}
