//! Secrets, their backends, probes and tools as tables.

use jiff::Timestamp;
use mcpd_api::view::{ProbeView, SecretBackendView, SecretView, ToolView};

use super::instances::IsWide;
use super::table::{Cell, Colour, Column};
use super::{age, cut, tame};

/// `sha256:` and as much of a digest as people compare.
const DIGEST_WIDTH: usize = 19;
/// The first words of a tool's description; `-o wide` shows all of it.
const DESCRIPTION_WIDTH_MAX: usize = 80;

pub(crate) fn secret_columns() -> Vec<Column> {
    ["NAME", "BACKEND", "KEYS", "USED BY", "AGE"].map(Column::new).into()
}

pub(crate) fn secret_row(view: &SecretView, now: Timestamp) -> Vec<Cell> {
    vec![
        view.name.as_str().into(),
        view.backend.as_str().into(),
        view.keys.join(",").into(),
        view.used_by.join(",").into(),
        age::short(age::since(view.created_at, now)).into(),
    ]
}

pub(crate) fn backend_columns() -> Vec<Column> {
    ["NAME", "TYPE", "HEALTH", "SECRETS", "AGE"].map(Column::new).into()
}

pub(crate) fn backend_row(view: &SecretBackendView, now: Timestamp) -> Vec<Cell> {
    let health = match view.health.ok {
        Some(true) => Cell::painted("ok", Colour::Green),
        Some(false) => Cell::painted(tame(&view.health.message), Colour::Red),
        None => "unknown".into(),
    };
    vec![
        view.name.as_str().into(),
        view.backend_type.as_str().into(),
        health,
        view.used_by.len().to_string().into(),
        age::short(age::since(view.created_at, now)).into(),
    ]
}

pub(crate) fn probe_columns() -> Vec<Column> {
    ["NAME", "STATE", "CONTRACT", "DIGEST", "USED BY", "AGE", "ERROR"].map(Column::new).into()
}

pub(crate) fn probe_row(view: &ProbeView, now: Timestamp) -> Vec<Cell> {
    vec![
        view.name.as_str().into(),
        view.state.as_str().into(),
        view.contract.as_str().into(),
        view.digest.chars().take(DIGEST_WIDTH).collect::<String>().into(),
        view.used_by.join(",").into(),
        age::short(age::since(view.created_at, now)).into(),
        tame(view.error.as_deref().unwrap_or_default()).into(),
    ]
}

pub(crate) fn tool_columns() -> Vec<Column> {
    ["NAME", "DESCRIPTION"].map(Column::new).into()
}

pub(crate) fn tool_row(view: &ToolView, is_wide: IsWide) -> Vec<Cell> {
    let description = view.description.as_deref().unwrap_or_default();
    let words = match is_wide {
        IsWide::Yes => tame(description),
        IsWide::No => {
            cut(description.lines().next().map(tame).unwrap_or_default().as_str(), DESCRIPTION_WIDTH_MAX)
        }
    };
    vec![tame(&view.name).into(), words.into()]
}
