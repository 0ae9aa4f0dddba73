//! What is wrong with a configuration, and where somebody wrote it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the configuration file; `None` where the whole file is meant.
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// Counted from 1.
        line: Option<usize>,
    },
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Origin {
    /// The order in which people look for their mistakes.
    fn rank(&self) -> (u8, usize) {
        match self {
            Self::File { line, .. } => (0, line.unwrap_or(0)),
            Self::Variable(_) => (1, 0),
            Self::Flag(_) => (2, 0),
            Self::Default => (3, 0),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong. It never repeats a text that was set: somebody may have put a secret there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was written.
    pub origin: Origin,
    /// The key, such as `backoff.fastSeconds`; empty where the mistake is not about one.
    pub key: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

/// Every mistake of a configuration, not only the first.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("configuration is refused:{}", lines(.0))]
pub struct ConfigError(pub Vec<Mistake>);

impl ConfigError {
    /// Puts the mistakes into the order of the sources, those of the file by line.
    pub(super) fn sorted(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.origin.rank());
        Self(mistakes)
    }
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().fold(String::new(), |lines, mistake| lines + "\n  " + &mistake.to_string())
}
