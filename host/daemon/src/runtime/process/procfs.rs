//! Reads the process table: who is whose child, and whether a number still means the same process.

use std::collections::BTreeSet;
use std::fs;

use serde::{Deserialize, Serialize};

/// A process that cannot be taken for another: numbers are used again, start times are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// The process number.
    pub(super) pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub(super) start: u64,
}

impl Stamp {
    /// The stamp of a process that is there, be it a zombie.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Entry::read(pid).map(|entry| Self { pid, start: entry.start })
    }

    /// Whether this very process is there and not a zombie.
    pub(super) fn is_alive(self) -> bool {
        Entry::read(self.pid).is_some_and(|entry| entry.start == self.start && !entry.is_zombie)
    }
}

/// One process of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    pub(super) start: u64,
    pub(super) is_zombie: bool,
}

impl Entry {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// proc(5), `/proc/pid/stat`: the name may hold spaces and brackets, so fields count from the last one.
    fn parse(stat: &str) -> Option<Self> {
        let pid = stat.split(' ').next()?.parse().ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse().ok();
        Some(Self {
            pid,
            is_zombie: matches!(*fields.first()?, "Z" | "X"),
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            start: fields.get(19)?.parse().ok()?,
        })
    }
}

/// The process table as it is now, or nearly: it changes while it is read.
pub(super) fn table() -> Vec<Entry> {
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    folder
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Entry::read)
        .collect()
}

/// The processes of `table` that descend from one of `roots`, without the roots themselves.
pub(super) fn descendants(table: &[Entry], roots: &[i32]) -> Vec<Entry> {
    let mut family: BTreeSet<i32> = roots.iter().copied().collect();
    let mut found = Vec::new();
    loop {
        let before = found.len();
        for entry in table {
            if family.contains(&entry.parent) && family.insert(entry.pid) {
                found.push(*entry);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// Names this boot of the machine: after another, start times mean nothing. Empty where it cannot be read.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pid: i32, parent: i32) -> Entry {
        Entry { pid, parent, group: 0, session: 0, start: 0, is_zombie: false }
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2";
        let read = Entry::parse(stat);
        assert_eq!(
            read,
            Some(Entry { pid: 42, parent: 7, group: 8, session: 9, start: 98765, is_zombie: false })
        );
    }

    #[test]
    fn descendants_are_found_in_any_order_of_the_table() {
        let table = [entry(4, 3), entry(3, 2), entry(2, 1), entry(9, 8), entry(1, 0)];
        let mut found: Vec<i32> = descendants(&table, &[2]).iter().map(|entry| entry.pid).collect();
        found.sort_unstable();
        assert_eq!(found, [3, 4]);
    }

    #[test]
    fn this_process_is_alive_and_no_other_with_its_number() {
        let me = Stamp::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(me.is_alive());
        assert!(!Stamp { start: me.start + 1, ..me }.is_alive());
    }
}
