//! The YAML of a scenario.

use regex::Regex;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// As for a `healthCheck` (behaviour 6.4).
const TIMEOUT_SECONDS: f64 = 10.0;
const TIMEOUT_SECONDS_MAX: f64 = 600.0;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    pub(super) name: String,
    #[serde(default)]
    pub(super) server: Server,
    #[serde(default)]
    pub(super) health_check: HealthCheck,
    #[serde(default)]
    pub(super) calls: Vec<ScriptedCall>,
    pub(super) expect: Expected,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Server {
    pub(super) name: String,
    pub(super) transport: String,
    pub(super) protocol_version: Option<String>,
    /// `serverInfo`, `capabilities` and `instructions` as one object.
    #[serde(rename = "serverInfo")]
    pub(super) info: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct HealthCheck {
    pub(super) tool: Option<String>,
    pub(super) arguments: Value,
    pub(super) config: Value,
    #[serde(deserialize_with = "seconds")]
    pub(super) timeout_seconds: f64,
    pub(super) allow: Allow,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Allow {
    pub(super) tools: Vec<String>,
    pub(super) methods: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedCall {
    pub(super) expect: ExpectedCall,
    pub(super) reply: Reply,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedCall {
    pub(super) method: String,
    pub(super) tool: Option<String>,
    pub(super) arguments: Option<Value>,
    pub(super) params: Option<Value>,
}

/// What the server answers: a word, or members.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Reply {
    Word(Word),
    Members(Box<Members>),
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    Timeout,
    Disconnect,
    Oversize,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "the members of the YAML as people write them")]
pub(super) struct Members {
    pub(super) result: Option<Value>,
    pub(super) is_error: bool,
    pub(super) text: Option<String>,
    pub(super) error: Option<RpcError>,
    pub(super) timeout: bool,
    pub(super) disconnect: bool,
    pub(super) oversize: bool,
    pub(super) delay_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RpcError {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Expected {
    pub(super) verdict: String,
    /// Kind of a failure, or cause of an inconclusive check.
    pub(super) kind: Option<String>,
    /// Exact, or a regular expression between slashes.
    pub(super) message: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) max_calls: Option<usize>,
}

impl Expected {
    /// The expected message where it is a regular expression.
    pub(super) fn pattern(&self) -> Result<Option<Regex>, regex::Error> {
        let slashed = |text: &str| Some(text.strip_prefix('/')?.strip_suffix('/')?.to_owned());
        self.message.as_deref().and_then(slashed).map(|pattern| Regex::new(&pattern)).transpose()
    }
}

impl Default for Server {
    fn default() -> Self {
        Self { name: "scenario".into(), transport: "stdio".into(), protocol_version: None, info: None }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            tool: None,
            arguments: json!({}),
            config: json!({}),
            timeout_seconds: TIMEOUT_SECONDS,
            allow: Allow::default(),
        }
    }
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    if (0.01..=TIMEOUT_SECONDS_MAX).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(serde::de::Error::custom("timeoutSeconds is 0.01 to 600"))
    }
}
