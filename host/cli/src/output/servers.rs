//! Servers as a table, and what they run in words.

use jiff::Timestamp;
use mcpd_api::manifest::{Launch, PackageRuntime, ServerManifest, Transport};
use mcpd_api::view::ServerView;

use super::age;
use super::instances::IsWide;
use super::table::{Cell, Colour, Column};
use super::{cut, tame};

/// What a server runs, in a table; `-o wide` shows all of it.
const RUNS_WIDTH_MAX: usize = 50;

pub(crate) fn columns(is_wide: IsWide) -> Vec<Column> {
    let mut columns: Vec<_> = ["NAME", "READY", "FUNCTIONAL", "RUNS", "AGE"].map(Column::new).into();
    if is_wide == IsWide::Yes {
        columns.extend(["TRANSPORT", "UPDATED", "LABELS", "ROLLOUT", "WARNINGS"].map(Column::new));
    }
    columns
}

pub(crate) fn row(view: &ServerView, now: Timestamp, is_wide: IsWide) -> Vec<Cell> {
    let Some(spec) = view.spec() else { return vec![view.name().into()] };
    let status = &view.status;
    let runs = runs(&spec.launch);
    let mut row = vec![
        spec.name.as_str().into(),
        ready(view, spec),
        format!("{}/{}", status.verified_replicas, spec.replicas).into(),
        if is_wide == IsWide::Yes { runs } else { cut(&runs, RUNS_WIDTH_MAX) }.into(),
        age::short(age::since(status.created_at, now)).into(),
    ];
    if is_wide == IsWide::Yes {
        let labels: Vec<_> = spec.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        row.extend([
            transport(spec.transport).into(),
            format!("{}/{}", status.updated_replicas, spec.replicas).into(),
            labels.join(",").into(),
            tame(status.rollout.as_deref().unwrap_or_default()).into(),
            Cell::from(status.warnings.len().to_string()),
        ]);
    }
    row
}

fn ready(view: &ServerView, spec: &ServerManifest) -> Cell {
    let text = format!("{}/{}", view.status.ready_replicas, spec.replicas);
    if view.status.is_being_deleted() {
        return Cell::painted(format!("{text} (deleting)"), Colour::Red);
    }
    if view.status.ready_replicas < spec.replicas { Cell::painted(text, Colour::Red) } else { text.into() }
}

/// What a server runs, in one line.
pub(crate) fn runs(launch: &Launch) -> String {
    let words = match launch {
        Launch::Image { image, args, .. } => [std::slice::from_ref(image), args].concat(),
        Launch::Package { package, runtime, args, .. } => {
            [&[runner(*runtime).to_owned(), package.clone()], args.as_slice()].concat()
        }
        Launch::Command { command, args, .. } => [command.as_slice(), args].concat(),
        Launch::External { url, .. } => vec![url.clone()],
    };
    tame(&words.join(" "))
}

pub(crate) fn transport(transport: Transport) -> &'static str {
    match transport {
        Transport::Stdio => "STDIO",
        Transport::Sse => "SSE",
        Transport::StreamableHttp => "STREAMABLE_HTTP",
    }
}

fn runner(runtime: PackageRuntime) -> &'static str {
    match runtime {
        PackageRuntime::Node => "npx",
        PackageRuntime::Python => "uvx",
    }
}
