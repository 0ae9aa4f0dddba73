//! What mcpd, a guardian and its second stage say to each other.

use std::ffi::OsString;
use std::path::PathBuf;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::super::super::Exit;
use super::super::procfs::Stamp;

/// What to run and how, handed on as arguments. The environment is handed on as the environment, so that no
/// value shows where others can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Order {
    /// The file whose shared lock says that a guardian is there.
    pub(in super::super) lock: PathBuf,
    /// Where the server runs.
    pub(in super::super) cwd: PathBuf,
    /// The user it runs as; empty for the user of mcpd.
    pub(in super::super) user: OsString,
    /// The program and its arguments.
    pub(in super::super) argv: Vec<OsString>,
}

impl Order {
    /// Reads what [`Self::to_args`] wrote.
    pub(super) fn parse(words: Vec<OsString>) -> Option<Self> {
        let mut words = words.into_iter();
        let (lock, cwd, user) = (words.next()?.into(), words.next()?.into(), words.next()?);
        let argv: Vec<OsString> = words.collect();
        (!argv.is_empty()).then_some(Self { lock, cwd, user, argv })
    }

    /// The order as arguments.
    pub(in super::super) fn to_args(&self) -> Vec<OsString> {
        let head = [self.lock.clone().into(), self.cwd.clone().into(), self.user.clone()];
        head.into_iter().chain(self.argv.iter().cloned()).collect()
    }
}

/// What a guardian reports to mcpd: one JSON object per line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Report {
    /// The server was executed.
    Running(Stamp),
    /// It could not be executed; nothing runs.
    Failed(Failure),
    /// The server ended; what it left is being ended.
    Exited(Exit),
}

/// The step of a start that failed, and the operating system's number for why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Failure {
    pub(in super::super) step: Step,
    pub(in super::super) errno: i32,
}

/// A step of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Step {
    /// Setting up the guardian.
    Guard,
    /// Entering the folder.
    Folder,
    /// Becoming the user.
    User,
    /// Executing the program.
    Exec,
}

impl Failure {
    /// A failure of `step` by an error of the operating system.
    pub(super) fn new(step: Step, error: impl Into<std::io::Error>) -> Self {
        Self { step, errno: error.into().raw_os_error().unwrap_or_default() }
    }

    /// Whether the program itself was not found.
    pub(in super::super) fn is_not_found(self) -> bool {
        self.step == Step::Exec && self.errno == Errno::ENOENT as i32
    }

    /// Why, in the operating system's words.
    pub(in super::super) fn reason(self, order: &Order) -> String {
        let words = Errno::from_raw(self.errno).desc();
        match self.step {
            Step::Exec => words.to_owned(),
            Step::Guard => format!("its guardian failed: {words}"),
            Step::Folder => format!("cannot enter the folder \"{}\": {words}", order.cwd.display()),
            Step::User => format!("cannot become the user \"{}\": {words}", order.user.display()),
        }
    }
}

/// What mcpd tells a guardian: one byte each. The end of the socket is the third word: end it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Word {
    /// Ask the server's process group to end.
    Terminate,
    /// Kill the whole tree.
    Kill,
}

impl Word {
    /// The byte that says it.
    pub(in super::super) fn byte(self) -> u8 {
        match self {
            Self::Terminate => b't',
            Self::Kill => b'k',
        }
    }

    /// What the byte says.
    pub(super) fn parse(byte: u8) -> Option<Self> {
        [Self::Terminate, Self::Kill].into_iter().find(|word| word.byte() == byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_the_way_through_the_arguments() {
        let order = Order {
            lock: "/run/guards.lock".into(),
            cwd: "/tmp".into(),
            user: OsString::new(),
            argv: vec!["cat".into(), "--".into(), "".into()],
        };
        assert_eq!(Order::parse(order.to_args()), Some(order));
        assert_eq!(Order::parse(vec!["lock".into(), "cwd".into(), "".into()]), None);
    }

    #[test]
    fn a_failure_speaks_in_the_words_of_the_system() {
        let order = Order::parse(["l", "/nowhere", "nobody", "x"].map(OsString::from).to_vec()).unwrap();
        let failure = |step| Failure { step, errno: Errno::ENOENT as i32 }.reason(&order);
        assert_eq!(failure(Step::Exec), "No such file or directory");
        assert_eq!(failure(Step::Folder), "cannot enter the folder \"/nowhere\": No such file or directory");
    }
}
