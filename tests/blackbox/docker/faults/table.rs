//! The table of faults, and `docs/faults.md`.

use std::fmt::{self, Write as _};
use std::fs;
use std::time::Duration;

use crate::harness::root;

/// Writes the table where it is set, instead of comparing it.
const WRITE: &str = "MCPD_WRITE_FAULTS";

const HEAD: &str = "# What can happen to a server in a container

Written by the test `each_fault_is_noticed_shown_and_mended_as_the_documentation_says` (`tests/blackbox/docker/faults/`),
which fails where a word of this table is not what it sees. The times are from one run of it on a machine with two cores
that did other things too. Each kind of exit was tried nine times: the figures are the median and the worst, and the test
fails where the median is noticed later than 200 ms after the order to end (after the end itself, where a container is
removed by hand). Each other figure is of one try. The times of what is noticed begin with the fault; those of what comes
back begin where its cause is gone, or with the fault where nothing has to be done about it. The servers are checked twice
a second with a timeout of a second, three failures make them unhealthy, and an attempt that failed is made again after
1 s; the defaults are 30 s, 10 s, 3 and 30 s.

| fault | noticed after | shown | comes back | after |
|---|---|---|---|---|
";

/// One fault.
pub(super) struct Row {
    pub(super) fault: &'static str,
    pub(super) noticed: Took,
    pub(super) shown: String,
    pub(super) back: String,
    /// From when the cause was gone, or from the fault itself where nothing has to be done about it.
    pub(super) back_after: Took,
}

/// How long something took, in one try or in the middle of several.
pub(super) struct Took {
    pub(super) median: Duration,
    /// Of several.
    worst: Option<Duration>,
}

impl Took {
    pub(super) fn once(time: Duration) -> Self {
        Self { median: time, worst: None }
    }

    /// Of at least one.
    pub(super) fn often(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { median: times[times.len() / 2], worst: times.last().copied() }
    }
}

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.median))?;
        self.worst.map_or(Ok(()), |worst| write!(f, ", worst {}", shown(worst)))
    }
}

/// Prints the rows, and compares their words with those of the documentation.
pub(super) fn compare(rows: &[Row]) {
    let mut text = HEAD.to_owned();
    for row in rows {
        let Row { fault, noticed, shown, back, back_after } = row;
        let _ = writeln!(text, "| {fault} | {noticed} | {shown} | {back} | {back_after} |");
    }
    println!("{text}");
    let path = root().join("docs/faults.md");
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        without_times(&text),
        without_times(&written),
        "docs/faults.md: set {WRITE}=1 to write it anew"
    );
}

fn shown(time: Duration) -> String {
    match time.as_millis() {
        ms @ ..1_000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// The lines with the two columns of times left out.
fn without_times(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let cells: Vec<_> = line.split(" | ").collect();
        match cells[..] {
            [fault, _, shown, back, _] => [fault, shown, back].join(" | "),
            _ => line.to_owned(),
        }
    };
    text.lines().map(line).collect()
}
