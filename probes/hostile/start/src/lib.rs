//! Computes for ever while it is instantiated, before anything is called.

use std::hint::black_box;

use mcpd_probe_sdk::{Description, Failure, Probe, Verdict, export_probe, pass};

struct Hostile;

impl Probe for Hostile {
    fn describe() -> Description {
        Description::new("hostile-start", "0.1.0", "never gets here")
    }

    fn run() -> Result<Verdict, Failure> {
        Ok(pass(""))
    }
}

/// What the toolchain runs first in every instance.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    loop {
        black_box(());
    }
}

export_probe!(Hostile);
