//! `mcpd up`: applies files to the daemon in this process and shows what becomes of them.

mod lines;
mod table;

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use mcpd_api::bounds::DOCUMENT_BYTES_MAX;
use mcpd_api::manifest::{Context, Manifest, parse};
use mcpd_api::view::InstanceView;
use mcpd_api::yaml;

use crate::app::App;
use crate::apply::{LeftOut, Mode, Request};
use crate::http::{instance_view, server_id};
use crate::state::Cell;

/// Reads the manifests of all files; `-` is stdin.
///
/// # Errors
/// Every mistake of all files, each with its file and document.
pub fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Manifest>> {
    let (mut manifests, mut mistakes) = (Vec::new(), Vec::new());
    for file in files {
        match yaml::read(&text_of(file)?) {
            Ok(documents) => {
                for document in documents {
                    match parse(&document.value, &Context::default()) {
                        Ok(manifest) => manifests.push(manifest),
                        Err(found) => mistakes.extend(found.iter().map(|mistake| {
                            format!("{} (document {}): {mistake}", file.display(), document.number)
                        })),
                    }
                }
            }
            Err(error) => mistakes.push(format!("{}: {error}", file.display())),
        }
    }
    if !mistakes.is_empty() {
        bail!("the manifests have mistakes, and nothing was started\n  {}", mistakes.join("\n  "));
    }
    Ok(manifests)
}

/// One byte more than is allowed is read, so that a text past its bound is told and never held.
fn text_of(file: &Path) -> anyhow::Result<String> {
    let limit = u64::try_from(DOCUMENT_BYTES_MAX)? + 1;
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_string(&mut text).context("cannot read stdin")?;
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        let read = opened.take(limit).read_to_string(&mut text);
        read.with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(text)
}

/// Applies the manifests, and shows the instances until mcpd ends.
///
/// # Errors
/// What the apply was refused for.
pub async fn up(app: &Arc<App>, manifests: Vec<Manifest>) -> anyhow::Result<()> {
    if !manifests.is_empty() {
        let request = Request::Apply { manifests, mode: Mode::Write, left_out: LeftOut::Keep };
        let outcome = app.desk.carry_out(request).await?;
        if let Some(problem) = outcome.problem {
            bail!("{}", problem.detail);
        }
    }
    let colours = std::env::var_os("NO_COLOR").is_none();
    if std::io::stdout().is_terminal() { table::show(app, colours).await } else { lines::show(app).await }
}

/// All instances as the API shows them.
fn views(app: &App) -> Vec<InstanceView> {
    let view = |cell: &Arc<Cell>| {
        let server = app.board.find_server(cell.server.as_str());
        let created_at = server.map(|server| server.desired().created_at).unwrap_or_default();
        instance_view(cell, server_id(cell.server.as_str(), created_at))
    };
    app.board.instances().iter().map(view).collect()
}
