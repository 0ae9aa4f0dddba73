//! Computes for ever when it is asked what it is.

use std::hint::black_box;

use mcpd_probe_sdk::{Description, Failure, Probe, Verdict, export_probe, pass};

struct Hostile;

impl Probe for Hostile {
    fn describe() -> Description {
        loop {
            black_box(());
        }
    }

    fn run() -> Result<Verdict, Failure> {
        Ok(pass(""))
    }
}

export_probe!(Hostile);
