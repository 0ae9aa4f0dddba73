//! House rules that a lint cannot see: sizes, directions, and what core may not know (style.md, architecture.md).

use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// No file is longer than this, its tests not counted.
const FILE_LINES_MAX: usize = 500;
/// No function is longer than this.
const FUNCTION_LINES_MAX: usize = 70;
/// Which crate of the workspace may know which.
const MAY_KNOW: [(&str, &[&str]); 9] = [
    ("host/core", &[]),
    ("host/api", &[]),
    ("host/mcp", &["mcpd-core"]),
    ("host/probe", &["mcpd-core"]),
    ("host/daemon", &["mcpd-api", "mcpd-core", "mcpd-mcp", "mcpd-probe"]),
    ("host/cli", &["mcpd-api", "mcpd-probe"]),
    ("probe-sdk", &[]),
    ("xtask", &["mcpd-probe"]),
    ("tests", &[]),
];
/// Names of adapters, and the only files beside their own folders that may say them.
const ADAPTERS: [(&str, &str); 4] = [
    ("SqliteStore", "/store/"),
    ("ProcessRuntime", "/runtime/"),
    ("DockerRuntime", "/runtime/"),
    ("AutoRuntime", "/runtime/"),
];
const COMPOSITION_ROOT: [&str; 2] = ["host/daemon/src/app", "host/daemon/src/config/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_path_buf()
}

/// Every Rust file that people wrote, by its path from the root.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in ["host", "probe-sdk", "probes", "tests", "xtask"] {
        collect(&root().join(folder), &mut found);
    }
    assert!(found.len() > 50, "the sources are not where this test looks for them");
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace").flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("below the root").display().to_string();
            found.push((name, fs::read_to_string(&path).expect("a source file")));
        }
    }
}

fn is_test_file(name: &str) -> bool {
    let markers = [
        "/tests/",
        "tests/",
        "/benches/",
        "tests.rs",
        "scenarios",
        "properties",
        "conformance",
        "test_support",
    ];
    markers.iter().any(|marker| name.contains(marker))
}

#[test]
fn files_stay_small() {
    let long: Vec<_> = sources()
        .iter()
        .filter(|(name, _)| !is_test_file(name))
        .map(|(name, text)| {
            (text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("").lines().count(), name.clone())
        })
        .filter(|(lines, _)| *lines > FILE_LINES_MAX)
        .collect();
    assert!(long.is_empty(), "longer than {FILE_LINES_MAX} lines: {long:#?}");
}

#[test]
fn each_file_says_in_its_first_line_why_it_exists() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!") && !text.starts_with("#!"))
        .map(|(name, _)| name)
        .collect();
    assert!(silent.is_empty(), "no //! in the first line: {silent:#?}");
}

struct Functions<'a> {
    file: &'a str,
    long: Vec<String>,
    asynchronous: Vec<String>,
}

impl Functions<'_> {
    fn look(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let lines = body.span().end().line + 1 - signature.span().start().line;
        if lines > FUNCTION_LINES_MAX {
            self.long.push(format!("{}: {} has {lines} lines", self.file, signature.ident));
        }
        if signature.asyncness.is_some() {
            self.asynchronous.push(format!("{}: {}", self.file, signature.ident));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.look(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.look(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.asynchronous.push(format!("{}: an async block", self.file));
        visit::visit_expr_async(self, block);
    }
}

fn functions(name: &str, text: &str) -> (Vec<String>, Vec<String>) {
    let file = syn::parse_file(text).unwrap_or_else(|error| panic!("{name} does not parse: {error}"));
    let mut functions = Functions { file: name, long: Vec::new(), asynchronous: Vec::new() };
    functions.visit_file(&file);
    (functions.long, functions.asynchronous)
}

#[test]
fn functions_stay_small() {
    let long: Vec<_> = sources().iter().flat_map(|(name, text)| functions(name, text).0).collect();
    assert!(long.is_empty(), "longer than {FUNCTION_LINES_MAX} lines: {long:#?}");
}

#[test]
fn core_knows_no_async_no_clock_and_no_io() {
    let forbidden =
        ["Timestamp::now", "Instant::now", "SystemTime::now", "std::fs", "std::net", "std::env", "tokio"];
    for (name, text) in sources().iter().filter(|(name, _)| name.starts_with("host/core/src")) {
        assert_eq!(functions(name, text).1, Vec::<String>::new(), "async in core");
        for word in forbidden {
            assert!(!text.contains(word), "{name} says {word}");
        }
    }
}

#[test]
fn crates_know_only_whom_they_may() {
    for (folder, known) in MAY_KNOW {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("a manifest");
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or("");
        let dependencies = dependencies.split("\n[").next().unwrap_or("");
        let ours: Vec<_> = dependencies
            .lines()
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|name| name.starts_with("mcpd"))
            .collect();
        for name in ours {
            assert!(known.contains(&name), "{folder} depends on {name}");
        }
    }
}

#[test]
fn only_the_composition_root_names_adapters() {
    for (name, text) in sources().iter().filter(|(name, _)| name.starts_with("host/daemon/src")) {
        for (adapter, home) in ADAPTERS {
            let is_allowed =
                name.contains(home) || COMPOSITION_ROOT.iter().any(|root| name.starts_with(root));
            let production = text.split("#[cfg(test)]").next().unwrap_or("");
            assert!(
                is_allowed || is_test_file(name) || !production.contains(adapter),
                "{name} names {adapter}"
            );
        }
    }
}

#[test]
fn nothing_is_left_undone_in_silence() {
    let words = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("#[ig", "nore"),
        concat!("#[al", "low("),
    ];
    for (name, text) in sources() {
        for word in words {
            assert!(!text.contains(word), "{name} says {word}");
        }
    }
}
