//! Reads manifest files: all of them, all their mistakes at once, each with file and document.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mcpd_api::bounds::DOCUMENT_BYTES_MAX;
use mcpd_api::manifest::{Context, Manifest, parse};
use mcpd_api::yaml;
use serde_json::Value;

use crate::trouble::{Done, Trouble};

/// Files of a folder that hold manifests.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// A manifest and where it was read.
pub(crate) struct Sourced {
    pub(crate) manifest: Manifest,
    /// `a.yaml`, or `a.yaml (document 2)`.
    pub(crate) place: String,
}

/// Reads all files; a folder stands for the manifest files in it, `-` for stdin.
pub(crate) fn read(files: &[PathBuf]) -> Done<Vec<Sourced>> {
    let mut manifests = Vec::new();
    let mut mistakes = Vec::new();
    for file in expand(files)? {
        let text = read_text(&file)?;
        match yaml::read(&text) {
            Ok(documents) => documents.into_iter().for_each(|document| {
                let place = place(&file, document.number);
                read_document(document.value, &place, folder_of(&file), &mut manifests, &mut mistakes);
            }),
            Err(error) => mistakes.push(format!("{}: {error}", shown(&file))),
        }
    }
    if mistakes.is_empty() { Ok(manifests) } else { Err(Trouble::Manifests(mistakes)) }
}

/// A document is a manifest, or a list of manifests as `get -o json` writes them.
fn read_document(
    value: Value,
    place: &str,
    folder: &Path,
    manifests: &mut Vec<Sourced>,
    mistakes: &mut Vec<String>,
) {
    if let Value::Array(list) = value {
        for value in list {
            read_document(value, place, folder, manifests, mistakes);
        }
        return;
    }
    match parse(&value, &Context::default()) {
        Ok(manifest) => {
            manifests.push(Sourced { manifest: located(manifest, folder), place: place.to_owned() });
        }
        Err(found) => mistakes.extend(found.iter().map(|mistake| format!("{place}: {mistake}"))),
    }
}

/// The source of a probe is relative to the file that names it, and the daemon does not know that file.
fn located(manifest: Manifest, folder: &Path) -> Manifest {
    match manifest {
        Manifest::Probe(mut probe) if !probe.source.contains("://") => {
            probe.source = folder.join(&probe.source).display().to_string();
            Manifest::Probe(probe)
        }
        other => other,
    }
}

fn expand(files: &[PathBuf]) -> Done<Vec<PathBuf>> {
    let mut expanded = Vec::new();
    for file in files {
        if file.is_dir() {
            expanded.extend(manifests_in(file)?);
        } else {
            expanded.push(file.clone());
        }
    }
    Ok(expanded)
}

fn manifests_in(folder: &Path) -> Done<Vec<PathBuf>> {
    let doing = format!("reading the folder {}", folder.display());
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let is_manifest = |path: &PathBuf| {
        path.extension().and_then(|extension| extension.to_str()).is_some_and(|ext| EXTENSIONS.contains(&ext))
    };
    let entries = entries.map_err(Trouble::io(doing))?;
    let mut found: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(is_manifest).collect();
    found.sort();
    Ok(found)
}

/// One byte more than is allowed is read, so that a text past its bound is told and never held.
fn read_text(file: &Path) -> Done<String> {
    let limit = DOCUMENT_BYTES_MAX as u64 + 1;
    let mut text = String::new();
    let read = if is_stdin(file) {
        std::io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|opened| opened.take(limit).read_to_string(&mut text))
    };
    read.map_err(Trouble::io(format!("reading {}", shown(file))))?;
    Ok(text)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn shown(file: &Path) -> String {
    if is_stdin(file) { "stdin".to_owned() } else { file.display().to_string() }
}

fn place(file: &Path, document: usize) -> String {
    if document == 1 { shown(file) } else { format!("{} (document {document})", shown(file)) }
}
