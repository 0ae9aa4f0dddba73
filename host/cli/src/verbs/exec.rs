//! `mcpctl exec`: runs a command in the container of an instance.

mod converse;

use mcpd_api::exec::{ExecEnd, ExecRequest};

use crate::Session;
use crate::client::segment;
use crate::target::{self, Target, Telling};
use crate::terminal::{self, Raw};
use crate::trouble::{Done, Trouble};
use converse::{Keys, converse};

/// Arguments of `exec`.
#[derive(clap::Args)]
#[command(after_help = "\
The exit code is that of the command, as it is; before the command runs, the codes are those of every verb. The command \
runs with the user, environment and limits of the server, and it is not ended by the end of mcpctl.

Examples:
  mcpctl exec gitea -- ls -l /data
  mcpctl exec gitea -it -- sh
  mcpctl exec instance/k3v9x2 -i -- tee /tmp/notes < notes.txt")]
pub(crate) struct Args {
    /// A server, or an instance
    #[arg(value_name = "SERVER|INSTANCE")]
    target: String,
    /// Send stdin to the command
    #[arg(short = 'i', long)]
    stdin: bool,
    /// Give the command a terminal
    #[arg(short = 't', long)]
    tty: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    if args.tty && !terminal::is_there() {
        let words = "-t needs a terminal to pass on, and stdin is none: leave it out";
        return Err(Trouble::Usage(words.to_owned()));
    }
    let target = Target::one(&[args.target])?;
    let instance = target::instance(&session.client, &target, Telling::WorstRunning).await?;
    let tty = args.tty.then(terminal::size);
    let request = ExecRequest { command: args.command, tty, stdin: args.stdin };
    let path = format!("/instances/{}/exec", segment(&instance.id));
    let connection = session.client.upgrade(&path, mcpd_api::exec::PROTOCOL, &request).await?;
    let keys = if args.tty { Keys::Raw(Raw::enter()?) } else { Keys::Cooked };
    let ended = converse(connection, session.client.base(), args.stdin, keys).await?;
    match ended {
        ExecEnd::ExitCode(0) => Ok(()),
        ExecEnd::ExitCode(code) => Err(Trouble::Ended(code)),
        ExecEnd::Error(words) => Err(Trouble::BadAnswer(format!("the command was lost sight of: {words}"))),
    }
}
