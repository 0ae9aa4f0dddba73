//! `healthCheck`: what to ask an instance, how often, and what to make of the answers (behaviour 6.4).

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::bounds;
use crate::reader::Reader;
use crate::text;

/// How a server is checked. `None` means left out: the default of behaviour 6.4, or of the server's type
/// where the configuration has one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// Name of the probe; never together with `tool`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// The tool that the probe `tool-call` calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Arguments of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Map<String, Value>>,
    /// For the probe; mcpd does not look into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
    /// Between two checks, 0.1 s to a day.
    #[serde(
        rename = "intervalSeconds",
        with = "crate::seconds::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub interval: Option<Duration>,
    /// For one check, 0.01 s to 10 min.
    #[serde(
        rename = "timeoutSeconds",
        with = "crate::seconds::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub timeout: Option<Duration>,
    /// Failures in a row that make it unhealthy, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_threshold: Option<u32>,
    /// Passes in a row that make it healthy again, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_threshold: Option<u32>,
    /// From Connected to the first check, up to an hour.
    #[serde(
        rename = "initialDelaySeconds",
        with = "crate::seconds::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub initial_delay: Option<Duration>,
    /// How long an instance may take until Connected before checks fail, up to an hour.
    #[serde(
        rename = "startupSeconds",
        with = "crate::seconds::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub startup: Option<Duration>,
    /// What the probe may call beside what is always allowed (behaviour 6.13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
    /// Whether nothing is checked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// A grant to a probe.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Allow {
    /// Tools it may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Methods it may call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
}

pub(super) fn read(mut reader: Reader<'_>) -> HealthCheck {
    let check = HealthCheck {
        probe: reader.filled("probe", &text::NAME),
        tool: reader.filled("tool", &text::WORD),
        arguments: reader.any_object("arguments"),
        config: reader.any_object("config"),
        interval: reader.seconds("intervalSeconds", bounds::INTERVAL_SECONDS),
        timeout: reader.seconds("timeoutSeconds", bounds::TIMEOUT_SECONDS),
        failure_threshold: threshold(&mut reader, "failureThreshold"),
        success_threshold: threshold(&mut reader, "successThreshold"),
        initial_delay: reader.seconds("initialDelaySeconds", bounds::DELAY_SECONDS),
        startup: reader.seconds("startupSeconds", bounds::DELAY_SECONDS),
        allow: reader.nested("allow").map(read_allow),
        disabled: reader.flag("disabled"),
    };
    if check.probe.is_some() && check.tool.is_some() {
        reader.wrong("", "has both `tool` and `probe`, at most one is allowed");
    }
    reader.finish();
    check
}

fn threshold(reader: &mut Reader<'_>, field: &'static str) -> Option<u32> {
    reader.integer(field, bounds::THRESHOLDS).and_then(|number| u32::try_from(number).ok())
}

fn read_allow(mut reader: Reader<'_>) -> Allow {
    let allow = Allow {
        tools: reader.texts("tools", bounds::ALLOWED_MAX, &text::WORD),
        methods: reader.texts("methods", bounds::ALLOWED_MAX, &text::WORD),
    };
    reader.finish();
    allow
}
