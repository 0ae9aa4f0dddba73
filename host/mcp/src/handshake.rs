//! Finds out which era of the protocol a server speaks, and greets it in that one (behaviour 7.7).
//!
//! `initialize` comes first, because older servers exit on anything else. When it is refused, or not
//! answered for two seconds, `server/discover` is tried; in silence both stay open and the first
//! success counts, for a server may merely be slow to answer.

use std::pin::pin;
use std::time::Duration;

use rmcp::model::ProtocolVersion;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use crate::link::{Call, Link, OnAbandon};
use crate::{Answer, CallError, Caller, ConnectError, ConnectOptions, RpcError, frame, known_version, meta};

const INITIALIZE: &str = "initialize";
const DISCOVER: &str = "server/discover";
/// After so long without an answer the other way is tried (behaviour 7.7).
const SILENCE: Duration = Duration::from_secs(2);
/// How often it is asked whether a server has read what it was sent: a small part of [`SILENCE`], and
/// nothing beside the cost of a start.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A server that has refused `initialize` is awake and has this long to answer; rmcp waits as long.
const DISCOVERY: Duration = Duration::from_secs(10);
/// What is kept of a server's own account of itself: generous for a manual, and 200 servers stay small.
const SERVER_INFO_BYTES_MAX: usize = 256 << 10;
/// The first revision without `initialize`, the only one of its kind so far.
const STATELESS: ProtocolVersion = ProtocolVersion::NO_INITIALIZE;

/// What the handshake has settled.
pub(crate) struct Session {
    pub(crate) version: ProtocolVersion,
    /// Members of `_meta` that every request carries, in the stateless revision.
    pub(crate) meta: Option<String>,
    pub(crate) server_info: String,
}

/// `is_unread` tells, where that can be known, that the server has not read yet what it was sent.
pub(crate) async fn run(
    link: &Link,
    options: &ConnectOptions,
    is_unread: &(dyn Fn() -> bool + Sync),
) -> Result<Session, ConnectError> {
    let greeting = Greeting { link, options, is_unread };
    let after = options.handshake_timeout;
    timeout(after, greeting.negotiate())
        .await
        .unwrap_or_else(|_| Err(ConnectError::Silent { server: options.server.clone(), after }))
}

struct Greeting<'a> {
    link: &'a Link,
    options: &'a ConnectOptions,
    is_unread: &'a (dyn Fn() -> bool + Sync),
}

impl Greeting<'_> {
    async fn negotiate(&self) -> Result<Session, ConnectError> {
        match &self.options.pinned {
            Some(version) if version.has_initialize() => self.initialize(version).await,
            Some(_) => self.discover().await,
            None => self.either().await,
        }
    }

    async fn either(&self) -> Result<Session, ConnectError> {
        let mut initialize = pin!(self.initialize(&ProtocolVersion::LATEST_WITH_INITIALIZE));
        tokio::select! {
            greeted = &mut initialize => return self.or_discover(greeted).await,
            () = self.silence() => {}
        }
        let mut discover = pin!(self.discover());
        tokio::select! {
            biased;
            greeted = &mut initialize => match greeted {
                Err(ConnectError::Refused { words, .. }) => self.after_refusal(words, discover).await,
                other => other,
            },
            discovered = &mut discover => match discovered {
                Ok(session) => Ok(session),
                // Also a server of the older era answers what it does not know with an error.
                Err(ConnectError::Lost { .. }) => discovered,
                Err(_) => initialize.await,
            },
        }
    }

    /// A server that has not read `initialize` is not silent, it is starting (`npx` downloads it first);
    /// older ones would exit over the `server/discover` that they find behind it then.
    async fn silence(&self) {
        let mut silent = Duration::ZERO;
        while silent < SILENCE {
            sleep(LOOK_EVERY).await;
            silent = if (self.is_unread)() { Duration::ZERO } else { silent + LOOK_EVERY };
        }
    }

    async fn or_discover(&self, greeted: Result<Session, ConnectError>) -> Result<Session, ConnectError> {
        match greeted {
            Err(ConnectError::Refused { words, .. }) => self.after_refusal(words, self.discover()).await,
            other => other,
        }
    }

    /// `server/discover` where `initialize` was refused. When it leads nowhere, the words of that first
    /// refusal are what people need to see.
    async fn after_refusal(
        &self,
        initialize: String,
        discover: impl Future<Output = Result<Session, ConnectError>>,
    ) -> Result<Session, ConnectError> {
        let server = self.server();
        match timeout(DISCOVERY, discover).await {
            Ok(Err(ConnectError::Refused { words: discover, .. })) => {
                Err(ConnectError::RefusedBoth { server, initialize, discover })
            }
            Ok(Err(ConnectError::Lost { .. })) | Err(_) => {
                Err(ConnectError::Refused { server, method: INITIALIZE, words: initialize })
            }
            Ok(discovered) => discovered,
        }
    }

    /// The older era. A server that does not have the version offered may name those it has.
    async fn initialize(&self, offered: &ProtocolVersion) -> Result<Session, ConnectError> {
        let mut answer = self.initialize_once(offered).await?;
        if let Answer::Error(error) = &answer
            && let Some(version) = self.other_offer(offered, error)
        {
            answer = self.initialize_once(&version).await?;
        }
        match answer {
            Answer::Result(result) => self.initialized(&result),
            Answer::Error(error) => Err(self.refused(INITIALIZE, &error)),
        }
    }

    fn other_offer(&self, offered: &ProtocolVersion, error: &RpcError) -> Option<ProtocolVersion> {
        let others = supported(error).into_iter().filter(|other| other != offered && other.has_initialize());
        let newest = others.max_by(|a, b| a.as_str().cmp(b.as_str()));
        newest.filter(|_| self.options.pinned.is_none())
    }

    async fn initialize_once(&self, offered: &ProtocolVersion) -> Result<Answer, ConnectError> {
        let client = meta::client_info(&self.options.client);
        let params =
            format!(r#"{{"protocolVersion":"{offered}","capabilities":{{}},"clientInfo":{client}}}"#);
        self.call(INITIALIZE, Some(params), None).await
    }

    fn initialized(&self, result: &RawValue) -> Result<Session, ConnectError> {
        let about: About<'_> = self.read(INITIALIZE, result)?;
        let spoken = about.protocol_version.as_deref().unwrap_or_default();
        let pinned = self.options.pinned.as_ref();
        let known = known_version(spoken).filter(|version| pinned.is_none_or(|pinned| pinned == version));
        let Some(version) = known else { return Err(self.other_version(spoken)) };
        self.link.notify(frame::notification("notifications/initialized", None));
        // A server may answer with the stateless revision; from here on it wants what that one wants.
        let meta = (!version.has_initialize()).then(|| meta::members(&version, &self.options.client));
        Ok(Session { version, meta, server_info: self.kept(&about, about.server_info) })
    }

    /// What a server says of itself, as far as there is room; what is left out is told in its log.
    fn kept(&self, about: &About<'_>, server_info: Option<&RawValue>) -> String {
        let mut room = SERVER_INFO_BYTES_MAX;
        let members = about.members(server_info).into_iter().filter_map(|(name, value)| {
            let value = value?.get();
            let left = room.checked_sub(value.len());
            if left.is_none() {
                (self.link.noise)(&format!("left out the server's {name} of {} bytes", value.len()));
            }
            room = left?;
            Some(format!("\"{name}\":{value}"))
        });
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    /// The newer era.
    async fn discover(&self) -> Result<Session, ConnectError> {
        let meta = meta::members(&STATELESS, &self.options.client);
        match self.call(DISCOVER, None, Some(&meta)).await? {
            Answer::Result(result) => self.discovered(&result, meta),
            Answer::Error(error) => Err(self.refused(DISCOVER, &error)),
        }
    }

    fn discovered(&self, result: &RawValue, meta: String) -> Result<Session, ConnectError> {
        let about: About<'_> = self.read(DISCOVER, result)?;
        let versions = about.supported_versions.as_deref().unwrap_or_default();
        if !versions.iter().any(|version| version == STATELESS.as_str()) {
            return Err(self.other_version(&versions.join(", ")));
        }
        let server_info = about.server_info.or(about.meta.as_ref().and_then(|meta| meta.server_info));
        Ok(Session { version: STATELESS, meta: Some(meta), server_info: self.kept(&about, server_info) })
    }

    async fn call(
        &self,
        method: &'static str,
        params: Option<String>,
        meta: Option<&str>,
    ) -> Result<Answer, ConnectError> {
        let params = params.and_then(|params| RawValue::from_string(params).ok());
        let call = Call {
            caller: Caller::Check,
            method,
            params: params.as_deref(),
            meta,
            deadline: self.options.handshake_timeout,
            on_abandon: OnAbandon::SayNothing,
        };
        self.link.call(&call).await.map_err(|error| self.failed(method, error))
    }

    fn read<'a>(&self, method: &'static str, result: &'a RawValue) -> Result<About<'a>, ConnectError> {
        serde_json::from_str(result.get()).map_err(|error| ConnectError::Protocol {
            server: self.server(),
            method,
            what: error.to_string(),
        })
    }

    fn failed(&self, method: &'static str, error: CallError) -> ConnectError {
        let server = self.server();
        match error {
            CallError::Lost { reason, .. } | CallError::NotConnected { reason, .. } => {
                ConnectError::Lost { server, reason }
            }
            CallError::Timeout { after } => ConnectError::Silent { server, after },
            other => ConnectError::Protocol { server, method, what: other.to_string() },
        }
    }

    fn refused(&self, method: &'static str, error: &RpcError) -> ConnectError {
        let words = format!("{} (code {})", error.message, error.code);
        ConnectError::Refused { server: self.server(), method, words }
    }

    fn other_version(&self, spoken: &str) -> ConnectError {
        let known = || {
            ProtocolVersion::KNOWN_VERSIONS.iter().map(ProtocolVersion::as_str).collect::<Vec<_>>().join(", ")
        };
        let wanted = self.options.pinned.as_ref().map_or_else(known, ToString::to_string);
        let spoken = if spoken.is_empty() { "(none named)" } else { spoken }.to_owned();
        ConnectError::Version { server: self.server(), spoken, wanted }
    }

    fn server(&self) -> String {
        self.options.server.clone()
    }
}

/// The versions that an error names, as far as mcpd speaks them.
fn supported(error: &RpcError) -> Vec<ProtocolVersion> {
    let data = error.data.as_ref().and_then(|data| serde_json::from_str::<Supported>(data.get()).ok());
    data.unwrap_or_default().supported.iter().filter_map(|name| known_version(name)).collect()
}

#[derive(Default, Deserialize)]
struct Supported {
    #[serde(default)]
    supported: Vec<String>,
}

/// What both answers say of the server. Only what is needed is decoded: a capability that mcpd has
/// never heard of must not keep anybody from using the server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About<'a> {
    #[serde(default)]
    protocol_version: Option<String>,
    #[serde(default)]
    supported_versions: Option<Vec<String>>,
    #[serde(borrow, default)]
    server_info: Option<&'a RawValue>,
    #[serde(borrow, default)]
    capabilities: Option<&'a RawValue>,
    #[serde(borrow, default)]
    instructions: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<AboutMeta<'a>>,
}

#[derive(Deserialize)]
struct AboutMeta<'a> {
    /// Where the stateless revision puts it.
    #[serde(borrow, default, rename = "io.modelcontextprotocol/serverInfo")]
    server_info: Option<&'a RawValue>,
}

impl<'a> About<'a> {
    /// What is kept, the most important first.
    fn members(&self, server_info: Option<&'a RawValue>) -> [(&'static str, Option<&'a RawValue>); 3] {
        [
            ("serverInfo", server_info),
            ("capabilities", self.capabilities),
            ("instructions", self.instructions),
        ]
    }
}
