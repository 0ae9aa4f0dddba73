//! The command line as a whole; each verb has its arguments in its own file.

use clap::{Parser, Subcommand};

use crate::endpoint::EndpointArgs;
use crate::verbs;

/// Paragraphs are one line each; clap breaks them where the terminal ends.
const AFTER_HELP: &str = "\
Kinds: servers (srv), instances (inst), secrets, secretbackends (sb), probes, events (ev), in singular or \
plural, as KIND NAME or KIND/NAME. Where an instance is asked for, the name of a server takes the one of its \
instances that has most to tell.

The daemon is the first one named by: --url and --token, MCPD_URL and MCPD_TOKEN, the current context of the \
configuration (mcpctl config), the data folder of a daemon of the same user.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 daemon not reachable, 6 the wait \
timed out or the check did not pass; exec ends with the code of its command.

Examples:
  mcpctl apply -f examples/quickstart.yaml
  mcpctl get instances -w
  mcpctl why demo-wrong-token";

/// The client of mcpd, which runs MCP servers and says the truth about them.
#[derive(Parser)]
#[command(name = "mcpctl", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make what files say so
    Apply(verbs::apply::Args),
    /// List things, or show some of them
    Get(verbs::get::Args),
    /// Tell everything about one thing
    Describe(verbs::describe::Args),
    /// Say in one sentence what is wrong, since when, and what happens next
    Why(verbs::why::Args),
    /// Show what an instance printed
    Logs(verbs::logs::Args),
    /// Run a command in the container of an instance
    Exec(verbs::exec::Args),
    /// Check an instance now and show each call
    Check(verbs::check::Args),
    /// Call a tool of a server through its live connection
    Call(verbs::call::Args),
    /// List the tools of a server
    Tools(verbs::tools::Args),
    /// Delete things
    Delete(verbs::delete::Args),
    /// Replace the instances of a server one by one
    Restart(verbs::restart::Args),
    /// Wait until a server or instance is Ready, or another condition holds
    Wait(verbs::wait::Args),
    /// Show what happened
    Events(verbs::events::Args),
    /// Show one page of the whole
    Status(verbs::status::Args),
    /// Show and change the contexts of the configuration
    Config(verbs::config::Args),
    /// Print a script that completes commands in a shell
    Completion(verbs::completion::Args),
    /// Print the versions of client and daemon
    Version(verbs::version::Args),
}
