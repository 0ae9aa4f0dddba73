//! A host, a server that is scripted in a closure, and checks against it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mcpd_core::check::FailureKind;
use mcpd_probe::{
    CallError, Calls, Check, CheckReport, Clock, Grant, HostConfig, Limits, Probe, ProbeHost, Target,
};
use serde_json::value::RawValue;

/// The time a check has in these tests; hostile guests use up less.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// What the server does with a call.
pub(crate) enum Reply {
    Result(&'static str),
    Failure(CallError),
    Never,
}

type Script = Box<dyn Fn(&str, &str) -> Reply + Send + Sync>;

/// A server that answers as its script says, and keeps what it heard.
pub(crate) struct Server {
    script: Script,
    heard: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) fn new(script: impl Fn(&str, &str) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { script: Box::new(script), heard: Mutex::default() })
    }

    /// A server that is fine with everything.
    pub(crate) fn kind() -> Arc<Self> {
        Self::new(|_, _| Reply::Result(r#"{"tools":[],"content":[]}"#))
    }

    pub(crate) fn failing(kind: FailureKind, reason: &'static str, message: &'static str) -> Arc<Self> {
        Self::new(move |_, _| Reply::Failure(CallError::new(kind, reason, message)))
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

#[async_trait]
impl Calls for Server {
    async fn request(
        &self,
        method: &str,
        params: Option<Box<RawValue>>,
        _: Duration,
    ) -> Result<String, CallError> {
        let params = params.map(|params| params.get().to_owned()).unwrap_or_default();
        self.heard.lock().unwrap().push(format!("{method} {params}").trim_end().to_owned());
        match (self.script)(method, &params) {
            Reply::Result(result) => Ok(result.to_owned()),
            Reply::Failure(error) => Err(error),
            Reply::Never => std::future::pending().await,
        }
    }
}

pub(crate) fn host() -> Arc<ProbeHost> {
    let config = HostConfig { pool_size: 4, ..HostConfig::default() };
    ProbeHost::new(config).unwrap()
}

pub(crate) async fn load(host: &ProbeHost, component: &'static [u8], limits: Limits) -> Arc<Probe> {
    host.load(Bytes::from_static(component), limits).await.unwrap()
}

/// The target of most tests: a server whose tool is `get_me`.
pub(crate) fn target() -> Target {
    Target {
        server: "gitea".into(),
        transport: "stdio".into(),
        tool: Some("get_me".into()),
        ..Target::default()
    }
}

pub(crate) fn check_of(server: &Arc<Server>, target: Target) -> Check {
    let grant = Grant::new(target.tool.as_deref(), ["allowed"], []);
    Check {
        target: Arc::new(target),
        calls: server.clone(),
        grant: Arc::new(grant),
        state: Arc::default(),
        timeout: TIMEOUT,
        clock: Clock::Real,
    }
}

pub(crate) async fn run(
    host: &ProbeHost,
    probe: &Probe,
    server: &Arc<Server>,
    target: Target,
) -> CheckReport {
    host.check(probe, check_of(server, target)).await
}
