//! How the texts of the configuration are understood. No error repeats a value.

use std::path::Path;

use mcpd_api::FieldError;
use mcpd_api::manifest::{self, Context, Kind};
use mcpd_core::name::is_dns_label;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use super::model::{Config, LogFormat, RuntimeKind};
use super::suggest::did_you_mean;

/// The words of `runtime.kind`.
pub(super) const RUNTIME_KINDS: &[&str] = &["auto", "process", "docker"];
/// The words of `telemetry.format`.
pub(super) const LOG_FORMATS: &[&str] = &["text", "json"];

/// What every value of the configuration gives when it is not taken.
type Taken = Result<(), String>;

impl RuntimeKind {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Process => "process",
            Self::Docker => "docker",
        }
    }
}

impl LogFormat {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

pub(super) fn listen_address(config: &mut Config, text: &str) -> Taken {
    let expected =
        |_| "expected ADDR:PORT with a numeric address, such as 127.0.0.1:3100 or [::1]:3100".to_owned();
    config.listen.address = text.parse().map_err(expected)?;
    Ok(())
}

pub(super) fn host_name(text: &str) -> Taken {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let is_host = !text.is_empty() && text.bytes().all(allowed);
    refuse_unless(is_host, "expected host names, such as mcpd.example.com, without a scheme or a path")
}

pub(super) fn data_dir(config: &mut Config, text: &str) -> Taken {
    refuse_unless(!text.is_empty(), "is empty")?;
    config.data.dir = text.into();
    Ok(())
}

pub(super) fn store_url(config: &mut Config, text: &str) -> Taken {
    let path = text.strip_prefix("sqlite:");
    // What SQLite itself would read as a host, an option or a database in memory is no path of a file.
    let is_plain = |path: &&str| !path.is_empty() && !path.starts_with(['?', ':']) && !path.starts_with("//");
    let plain = path.filter(is_plain).filter(|path| !path.contains('?'));
    refuse_unless(
        text.is_empty() || plain.is_some(),
        "expected sqlite:PATH, no other database is in this version",
    )?;
    config.store.path = plain.map(Into::into);
    Ok(())
}

pub(super) fn show_store(path: Option<&Path>) -> String {
    path.map(|path| format!("sqlite:{}", path.display())).unwrap_or_default()
}

pub(super) fn runtime_kind(config: &mut Config, text: &str) -> Taken {
    config.runtime.kind = match text {
        "auto" => RuntimeKind::Auto,
        "process" => RuntimeKind::Process,
        "docker" => RuntimeKind::Docker,
        "kubernetes" => {
            return Err(
                "kubernetes is not in this version, which runs processes and containers only".to_owned()
            );
        }
        _ => return Err(none_of(RUNTIME_KINDS, text)),
    };
    Ok(())
}

pub(super) fn network(config: &mut Config, text: &str) -> Taken {
    refuse_unless(!text.is_empty(), "is empty")?;
    text.clone_into(&mut config.runtime.network);
    Ok(())
}

pub(super) fn docker_host(config: &mut Config, text: &str) -> Taken {
    let is_socket = text.strip_prefix("unix://").is_some_and(|path| path.starts_with('/') && path.len() > 1);
    refuse_unless(
        text.is_empty() || is_socket,
        "expected unix:///PATH, such as unix:///var/run/docker.sock; an engine of another machine is not supported",
    )?;
    optional(&mut config.runtime.docker.host, text)
}

pub(super) fn passed_variable(text: &str) -> Taken {
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let is_name = starts_well && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    refuse_unless(is_name, "expected names of variables")?;
    refuse_unless(!text.starts_with("MCPD_"), "variables of mcpd itself are never passed to a server")
}

pub(super) fn default_backend(config: &mut Config, text: &str) -> Taken {
    refuse_unless(is_dns_label(text), "expected the name of a secret backend, a DNS label")?;
    text.clone_into(&mut config.secrets.default_backend);
    Ok(())
}

pub(super) fn log_filter(config: &mut Config, text: &str) -> Taken {
    let expected = |_| "expected a level (error, warn, info, debug, trace) or a list such as mcpd=debug,warn";
    EnvFilter::try_new(text).map_err(expected)?;
    text.clone_into(&mut config.telemetry.log);
    Ok(())
}

pub(super) fn log_format(config: &mut Config, text: &str) -> Taken {
    config.telemetry.format = match text {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return Err(none_of(LOG_FORMATS, text)),
    };
    Ok(())
}

/// Whether a table is a `healthCheck`, by the very rules of manifests.
pub(super) fn health_check(name: &str, table: &Value) -> Taken {
    let server = json!({ "name": "any", "command": ["any"], "healthCheck": table });
    let wrong = |mistake: &FieldError| {
        let field = mistake.path.strip_prefix("healthCheck").unwrap_or(&mistake.path);
        format!("{name}{field}: {}", mistake.message)
    };
    let all = |mistakes: Vec<FieldError>| mistakes.iter().map(wrong).collect::<Vec<_>>().join("; ");
    manifest::parse(&server, &Context::of_kind(Kind::Server)).map(|_| ()).map_err(all)
}

/// A text that may be left empty to mean nothing.
#[expect(clippy::unnecessary_wraps, reason = "it has the shape of its siblings")]
pub(super) fn optional(place: &mut Option<String>, text: &str) -> Taken {
    *place = (!text.is_empty()).then(|| text.to_owned());
    Ok(())
}

fn refuse_unless(holds: bool, problem: &str) -> Taken {
    if holds { Ok(()) } else { Err(problem.to_owned()) }
}

fn none_of(words: &[&'static str], text: &str) -> String {
    format!("expected one of {}{}", words.join(", "), did_you_mean(text, words.iter().copied()))
}
