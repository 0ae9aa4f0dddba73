//! `mcpctl tools`: the tools of a server, asked of it now.

use mcpd_api::view::{ListView, ToolView};

use super::get::is_wide;
use crate::Session;
use crate::client::segment;
use crate::output::table::Table;
use crate::output::{Format, others, tame};
use crate::target::Target;
use crate::trouble::Done;

/// Arguments of `tools`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl tools demo
  mcpctl tools demo -o json")]
pub(crate) struct Args {
    /// A server
    #[arg(required = true, num_args = 1..=2, value_name = "SERVER")]
    target: Vec<String>,
    /// How they are shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let server = Target::one(&args.target)?.server()?;
    let path = format!("/servers/{}/tools", segment(&server));
    let tools: ListView<ToolView> = session.client.get(&path, &[]).await?;
    match args.output {
        Format::Json => session.output.json(&tools),
        Format::Yaml => session.output.yaml(&tools),
        Format::Name => tools.items.iter().try_for_each(|tool| session.output.line(&tame(&tool.name))),
        format => {
            let rows: Vec<_> =
                tools.items.iter().map(|tool| others::tool_row(tool, is_wide(format))).collect();
            let mut table = Table::new(others::tool_columns(), session.output.colours());
            session.output.print(&table.render(&rows))
        }
    }
}
