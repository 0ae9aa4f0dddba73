//! A folder of its own for each test, and a look at the process table.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcpd::runtime::process::{GUARDIANS_END, Grace, ProcessConfig, ProcessRuntime};
use mcpd::runtime::{Exit, Launch, RunNumbers};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::conformance::{Subject, within};

/// Where one test runs its servers.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn subject(&self) -> Subject {
        subject(config(self.path()))
    }
}

pub(crate) fn subject(config: ProcessConfig) -> Subject {
    let runtime = Arc::new(ProcessRuntime::new(config).unwrap());
    let missing = Launch::Command { argv: vec!["no-such-program".to_owned()] };
    let missing = (missing, "No such file or directory");
    Subject { runtime, shell, missing, killed: Exit::Signal(9) }
}

/// The graces are short where a step is waited out on purpose.
pub(crate) fn config(folder: &Path) -> ProcessConfig {
    ProcessConfig {
        program: env!("CARGO_BIN_EXE_mcpd").into(),
        folder: folder.to_owned(),
        user: None,
        parent_env: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())],
        pass_env: Vec::new(),
        withheld: Arc::new(Vec::new),
        now: Arc::new(|| Timestamp::UNIX_EPOCH),
        grace: Grace {
            stdin: Duration::from_millis(300),
            term: Duration::from_millis(300),
            kill: Duration::from_secs(20),
        },
        sweep_patience: GUARDIANS_END,
        numbers: RunNumbers::default(),
        events: mcpd::runtime::events(),
    }
}

pub(crate) fn shell(script: &str) -> Launch {
    command(&["sh", "-c", script])
}

pub(crate) fn command(argv: &[&str]) -> Launch {
    Launch::Command { argv: argv.iter().map(|&word| word.to_owned()).collect() }
}

/// A process and its arguments.
#[derive(Debug, PartialEq)]
pub(crate) struct Marked {
    pub(crate) pid: i32,
    pub(crate) line: String,
}

impl Marked {
    /// Whether it is a guardian or its second stage, not yet a server.
    pub(crate) fn is_guardian(&self) -> bool {
        self.line.contains(" __guard ") || self.line.contains(" __exec ")
    }
}

/// A duration for `sleep` that no other process on this machine uses.
pub(crate) fn marker(number: u32) -> String {
    format!("1000.{number:04}{}", std::process::id())
}

/// The processes, one of whose arguments holds `marker`.
pub(crate) fn marked(marker: &str) -> Vec<Marked> {
    let read = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some(Marked { pid, line: String::from_utf8_lossy(&line).replace('\0', " ") })
    };
    let processes = fs::read_dir("/proc").unwrap().flatten().filter_map(read);
    processes.filter(|process| process.line.contains(marker)).collect()
}

/// The number of the parent of `pid`.
pub(crate) fn parent(pid: u32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

pub(crate) fn is_there(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    println!("waiting until {what}");
    within(held).await;
}
