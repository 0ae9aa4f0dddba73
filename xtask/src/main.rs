//! Tasks of the workspace that cargo has no word for: `cargo xtask probes` builds the guests.

mod compare;
mod dist;
mod guests;
mod toolchain;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask probes [--check]

  probes          build the guests from source into probes/dist/
  probes --check  build them and compare with probes/dist/: byte for byte where the toolchain is the
                  recorded one, otherwise by world";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["probes"] => dist::write(),
        ["probes", "--check"] => compare::check(),
        _ => bail!(USAGE),
    }
}
