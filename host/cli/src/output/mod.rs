//! What people and programs get to see: data on stdout, talk on stderr.

pub(crate) mod events;
pub(crate) mod others;
pub(crate) mod servers;

use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;
use serde::Serialize;

pub(crate) use mcpd_api::show::{age, cut, instances, table, tame};

use crate::environment::Environment;
use crate::trouble::{Done, Trouble};

/// How a list or an object is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// A table with more columns.
    Wide,
    /// The daemon's answer.
    Json,
    /// What `apply -f` takes, where there is such a thing.
    Yaml,
    /// `kind/name`, one per line.
    Name,
}

/// Where output goes and whether it may have colours.
pub(crate) struct Output {
    stdout: io::Stdout,
    colours: bool,
}

impl Output {
    pub(crate) fn new(environment: &Environment) -> Self {
        let stdout = io::stdout();
        let colours = stdout.is_terminal() && !environment.no_color;
        Self { stdout, colours }
    }

    pub(crate) fn colours(&self) -> bool {
        self.colours
    }

    /// Data, as it is.
    pub(crate) fn print(&self, text: &str) -> Done {
        let mut stdout = self.stdout.lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(Trouble::io("writing to stdout"))
    }

    /// Data, one line.
    pub(crate) fn line(&self, text: &str) -> Done {
        self.print(&format!("{text}\n"))
    }

    pub(crate) fn json(&self, value: &impl Serialize) -> Done {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| Trouble::BadAnswer(error.to_string()))?;
        self.line(&text)
    }

    /// One document; `---` before it makes several of them one file.
    pub(crate) fn yaml(&self, value: &impl Serialize) -> Done {
        let text = serde_yaml_ng::to_string(value).map_err(|error| Trouble::BadAnswer(error.to_string()))?;
        self.print(&text)
    }
}

/// Talk: never data, so a pipe does not carry it.
pub(crate) fn talk(words: &str) {
    // Nothing is left to be done where not even stderr takes words.
    let _ = writeln!(io::stderr(), "{words}");
}
