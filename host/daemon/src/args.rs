//! The command line of `mcpd`. Wrong usage ends with exit code 2, as clap does it.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::config::{Environment, Flag, Sources};

/// Runs MCP servers from manifests and says the truth about them.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "mcpd", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `mcpd` can be told to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the daemon
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Settings),
    /// Run the daemon, apply manifests to it and show what becomes of them
    #[command(after_help = UP_EXAMPLES)]
    Up(Up),
    /// Run a small MCP server over stdio, for trying things out (tools: whoami, echo, add)
    #[command(after_help = DEMO_SERVER_EXAMPLES)]
    DemoServer(DemoServer),
    /// Print the effective configuration as TOML, with where each value comes from
    #[command(after_help = CONFIG_EXAMPLES)]
    Config(PrintConfig),
}

/// Flags that override the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, ClapArgs)]
pub struct Settings {
    /// Address and port of the API; port 0 takes a free one [default: 127.0.0.1:3100]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Allow --listen beyond loopback although there is no TLS
    #[arg(long)]
    pub insecure_listen: bool,
    /// Folder of the database, keys and tokens [default: mcpd in the XDG data folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Configuration file [default: mcpd/mcpd.toml in the XDG config folder]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What is logged: a level, or levels by module [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
}

/// `mcpd up`
#[derive(Clone, Debug, Default, PartialEq, Eq, ClapArgs)]
pub struct Up {
    /// Manifest to apply, as often as there are files; - is stdin
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Flags of `serve`.
    #[command(flatten)]
    pub settings: Settings,
}

/// `mcpd demo-server`
#[derive(Clone, Debug, Default, PartialEq, Eq, ClapArgs)]
pub struct DemoServer {
    /// Let whoami fail with "token is required" unless this variable holds demo-token
    #[arg(long, value_name = "VAR")]
    pub require_token: Option<String>,
}

/// `mcpd config`
#[derive(Clone, Debug, Default, PartialEq, Eq, ClapArgs)]
pub struct PrintConfig {
    /// Print the JSON Schema of the configuration file instead
    #[arg(long)]
    pub schema: bool,
    /// Flags of `serve`.
    #[command(flatten)]
    pub settings: Settings,
}

impl Settings {
    /// The sources of the configuration: these flags over that environment over the file.
    pub fn sources(&self, environment: Environment) -> Sources {
        Sources { file: self.config.clone(), environment, flags: self.flags() }
    }

    fn flags(&self) -> Vec<Flag> {
        let insecure = self.insecure_listen.then(|| true.to_string());
        let given = [
            ("--listen", "listen.address", &self.listen),
            ("--insecure-listen", "listen.insecure", &insecure),
            ("--data-dir", "data.dir", &self.data_dir),
            ("--log", "telemetry.log", &self.log),
        ];
        let flag = |(name, key, text): (_, _, &Option<String>)| Some(Flag { name, key, text: text.clone()? });
        given.into_iter().filter_map(flag).collect()
    }
}

const EXAMPLES: &str = "\
Examples:
  mcpd up -f examples/quickstart.yaml    try it: serve, apply, and watch
  mcpd serve                             run the daemon; talk to it with mcpctl
  mcpd config                            see what is configured, and where";

const SERVE_EXAMPLES: &str = "\
Examples:
  mcpd serve
  mcpd serve --listen 127.0.0.1:0 --data-dir ./data
  mcpd serve --config /etc/mcpd/mcpd.toml --log mcpd=debug,warn

Every key of the configuration can be set as MCPD_<SECTION>_<KEY> too:
  MCPD_BACKOFF_FAST_SECONDS=5 mcpd serve";

const UP_EXAMPLES: &str = "\
Examples:
  mcpd up -f examples/quickstart.yaml
  mcpd up -f servers.yaml -f secrets.yaml --data-dir ./data
  kustomize build . | mcpd up -f -";

const DEMO_SERVER_EXAMPLES: &str = "\
Examples (in a manifest):
  command: [mcpd, demo-server]
  command: [mcpd, demo-server, --require-token, DEMO_TOKEN]";

const CONFIG_EXAMPLES: &str = "\
Examples:
  mcpd config
  mcpd config --config ./mcpd.toml
  mcpd config --schema > mcpd.schema.json";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;
    use crate::config::load;

    /// What clap ends the program with on wrong usage, and what interfaces.md promises.
    const WRONG_USAGE: i32 = 2;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Args::try_parse_from(line.split_whitespace()).map(|args| args.command)
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_examples() {
        for command in ["serve", "up", "demo-server", "config"] {
            let help = parse(&format!("mcpd {command} --help")).unwrap_err();
            assert_eq!((help.kind(), help.exit_code()), (ErrorKind::DisplayHelp, 0));
            assert!(help.to_string().contains("Examples"), "{command}");
        }
        assert_eq!(parse("mcpd --version").unwrap_err().kind(), ErrorKind::DisplayVersion);
    }

    #[test]
    fn wrong_usage_ends_with_2() {
        for line in ["mcpd", "mcpd serv", "mcpd serve --lisen x", "mcpd up -f", "mcpd serve extra"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), WRONG_USAGE, "{line}");
        }
    }

    #[test]
    fn up_takes_several_files_and_the_flags_of_serve() {
        let Ok(Command::Up(up)) = parse("mcpd up -f a.yaml -f - --listen 127.0.0.1:0") else {
            panic!("not up")
        };
        assert_eq!(up.files, [PathBuf::from("a.yaml"), PathBuf::from("-")]);
        assert_eq!(up.settings.listen.as_deref(), Some("127.0.0.1:0"));
    }

    #[test]
    fn every_flag_reaches_the_configuration() {
        let line = "mcpd serve --listen 0.0.0.0:1 --insecure-listen --data-dir d --log trace";
        let Ok(Command::Serve(settings)) = parse(line) else { panic!("not serve") };
        let effective = load(&settings.sources(Environment::new())).unwrap();
        assert_eq!(effective.config.listen.address.port(), 1);
        assert!(effective.config.listen.insecure);
        assert_eq!(effective.config.data.dir, PathBuf::from("d"));
        assert_eq!(effective.config.telemetry.log, "trace");
    }

    #[test]
    fn the_demo_server_and_config_take_their_own_flags() {
        let demo = DemoServer { require_token: Some("DEMO_TOKEN".to_owned()) };
        assert_eq!(parse("mcpd demo-server --require-token DEMO_TOKEN").unwrap(), Command::DemoServer(demo));
        let Ok(Command::Config(config)) = parse("mcpd config --schema") else { panic!("not config") };
        assert!(config.schema);
    }
}
