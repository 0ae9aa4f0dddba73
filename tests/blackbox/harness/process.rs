//! Processes of this machine, as `/proc` shows them.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Fields between the parent and the time of the start in `/proc/PID/stat`.
const STARTED_AFTER_PARENT: usize = 17;

/// A process that was there a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// One letter, `Z` for one that is dead and not waited for.
    pub(crate) state: char,
    /// Arguments, with blanks between.
    pub(crate) command: String,
    /// Ticks since the machine was started: two processes of one number differ in it.
    started: u64,
}

impl Process {
    /// All there are.
    pub(crate) fn all() -> Vec<Self> {
        let names = fs::read_dir("/proc").unwrap().flatten();
        names.filter_map(|entry| Self::find(entry.file_name().to_str()?.parse().ok()?)).collect()
    }

    pub(crate) fn find(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold blanks and parentheses of its own.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let started = fields.nth(STARTED_AFTER_PARENT)?.parse().ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
        Some(Self { pid, parent, state, command, started })
    }

    /// Those whose arguments, environment or working folder name `folder`.
    pub(crate) fn of(folder: &Path) -> Vec<Self> {
        let name = folder.to_str().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let is_of = |process: &Self| {
            process.command.contains(name)
                || process.environment().contains(name)
                || fs::read_link(format!("/proc/{}/cwd", process.pid))
                    .is_ok_and(|cwd| cwd.starts_with(folder))
        };
        Self::all().into_iter().filter(|process| process.pid != own && is_of(process)).collect()
    }

    /// Whether it is still the same one, and alive.
    pub(crate) fn is_there(&self) -> bool {
        Self::find(self.pid).is_some_and(|now| now.started == self.started && now.state != 'Z')
    }

    /// Children of `parent` that are dead and not waited for.
    pub(crate) fn zombies_of(parent: i32) -> Vec<Self> {
        Self::all().into_iter().filter(|process| process.parent == parent && process.state == 'Z').collect()
    }

    /// The most memory that was resident so far, in bytes.
    pub(crate) fn peak_bytes(pid: i32) -> u64 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
    }

    pub(crate) fn kill(&self, signal: Signal) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(self.pid), signal);
    }

    fn environment(&self) -> String {
        let bytes = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
