//! Everything that ends a command early, and the exit code it ends with.

use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use mcpd_api::bounds::FIELD_ERRORS_MAX;
use mcpd_api::problem::Problem;

const FAILED: u8 = 1;
const WRONG_USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const NOT_ALLOWED: u8 = 4;
const NOT_REACHABLE: u8 = 5;
const NOT_PASSED: u8 = 6;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The daemon answered with a problem.
    #[error("{0}")]
    Answer(Box<Problem>),
    /// Nobody answered there.
    #[error("mcpd is not reachable at {url}: {cause}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// The innermost words of the failure.
        cause: String,
    },
    /// There is no place to look.
    #[error("there is no daemon to talk to: {0}")]
    NoEndpoint(String),
    /// The arguments make no sense together.
    #[error("{0}")]
    Usage(String),
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// Manifests with mistakes, one line each.
    #[error("{} in what was to be applied", mistakes(.0.len()))]
    Manifests(Vec<String>),
    /// The check did not pass, or the wait timed out; the words may have been printed already.
    #[error("{0}")]
    NotPassed(String),
    /// The call or an apply failed; the words were printed already.
    #[error("")]
    Said,
    /// The command that was run ended with this code, and said all there is to say.
    #[error("")]
    Ended(i64),
    /// The answer is too large or not what this client understands.
    #[error("{0}")]
    BadAnswer(String),
    /// A file, a pipe or a terminal.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the name of the thing.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
}

/// A result whose failure ends the command.
pub(crate) type Done<T = ()> = Result<T, Trouble>;

impl Trouble {
    /// Adds what was being done to an error of the operating system.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// The exit code of interfaces.md.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Answer(problem) => match problem.status {
                401 | 403 => NOT_ALLOWED,
                404 => NOT_FOUND,
                _ => FAILED,
            },
            Self::Unreachable { .. } | Self::NoEndpoint(_) => NOT_REACHABLE,
            Self::Usage(_) => WRONG_USAGE,
            Self::NotFound(_) => NOT_FOUND,
            Self::NotPassed(_) => NOT_PASSED,
            Self::Ended(code) => u8::try_from(*code).unwrap_or(FAILED),
            Self::Manifests(_) | Self::Said | Self::BadAnswer(_) | Self::Io { .. } => FAILED,
        })
    }

    /// Whether a reader such as `head` went away, which is nobody's mistake.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// All there is to say, several lines; empty where it was said already.
    pub(crate) fn words(&self) -> String {
        let mut words = self.to_string();
        if words.is_empty() {
            return words;
        }
        words.insert_str(0, "error: ");
        match self {
            Self::Answer(problem) => push_problem(&mut words, problem),
            Self::Manifests(lines) => push_mistakes(&mut words, lines),
            Self::Unreachable { .. } | Self::NoEndpoint(_) => {
                push_line(
                    &mut words,
                    "hint: ",
                    "start one with `mcpd up -f FILE`, or name it with --url or MCPD_URL",
                );
            }
            _ => {}
        }
        words
    }
}

fn push_problem(words: &mut String, problem: &Problem) {
    problem.causes.iter().for_each(|cause| push_line(words, "cause: ", cause));
    problem.errors.iter().for_each(|error| push_line(words, "  ", &error.to_string()));
    problem.hint.iter().for_each(|hint| push_line(words, "hint: ", hint));
}

/// As many as the daemon would tell of: past that nobody reads on.
fn push_mistakes(words: &mut String, lines: &[String]) {
    lines.iter().take(FIELD_ERRORS_MAX).for_each(|line| push_line(words, "  ", line));
    if lines.len() > FIELD_ERRORS_MAX {
        push_line(words, "  ", &format!("and {} more", lines.len() - FIELD_ERRORS_MAX));
    }
}

fn push_line(words: &mut String, label: &str, line: &str) {
    // Writing into a String cannot fail.
    let _ = write!(words, "\n{label}{line}");
}

fn mistakes(count: usize) -> String {
    if count == 1 { "there is a mistake".to_owned() } else { format!("there are {count} mistakes") }
}
