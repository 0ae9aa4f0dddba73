//! `mcpctl completion`: a script that completes commands in a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::trouble::{Done, Trouble};

/// Arguments of `completion`.
#[derive(Clone, Copy, clap::Args)]
#[command(after_help = "\
Examples:
  source <(mcpctl completion bash)
  mcpctl completion fish > ~/.config/fish/completions/mcpctl.fish")]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: Args) -> Done {
    // Into memory first: the generator would panic on a pipe that is closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "mcpctl", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script).map_err(Trouble::io("writing to stdout"))
}
