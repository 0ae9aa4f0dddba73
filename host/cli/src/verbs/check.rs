//! `mcpctl check`: checks an instance now and shows each call it made.

use std::time::Duration;

use mcpd_api::view::{CallView, CheckView};
use serde_json::{Value, json};

use super::why::Format;
use crate::Session;
use crate::client::segment;
use crate::output::table::{Cell, Colour, Column, Table};
use crate::output::{age, tame};
use crate::target::{self, Target, Telling};
use crate::trouble::{Done, Trouble};

/// A check may take 10 min, and may have to wait for one under way.
const DEADLINE: Duration = Duration::from_mins(21);

/// Arguments of `check`.
#[derive(clap::Args)]
#[command(after_help = "\
The exit code is 6 when the check did not pass.

Examples:
  mcpctl check demo
  mcpctl check instance/k3v9x2 -o json")]
pub(crate) struct Args {
    /// An instance, or a server
    #[arg(required = true, num_args = 1..=2, value_name = "INSTANCE")]
    target: Vec<String>,
    /// How it is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let target = Target::one(&args.target)?;
    let instance = target::instance(&session.client, &target, Telling::WorstRunning).await?;
    let path = format!("/instances/{}/checks", segment(&instance.id));
    let value: Value = session.client.post(&path, &json!({}), DEADLINE).await?;
    let check: CheckView = serde_json::from_value(value.clone())
        .map_err(|error| Trouble::BadAnswer(format!("the check is not understood: {error}")))?;
    match args.output {
        Format::Json => session.output.json(&value)?,
        Format::Text => {
            let title = format!("{}/{}", instance.server, instance.id);
            session.output.print(&words(&title, &check, session.output.colours()))?;
        }
    }
    if check.verdict.is_passed() {
        return Ok(());
    }
    Err(Trouble::NotPassed(format!(
        "the check of {} did not pass: {}",
        instance.server,
        tame(&check.message)
    )))
}

/// The verdict, then each call, then figures and log.
fn words(title: &str, check: &CheckView, colours: bool) -> String {
    let kind = check.kind.as_ref().map(|kind| format!(" ({kind})")).unwrap_or_default();
    let probe = format!("probe {}, {}", tame(&check.probe), age::milliseconds(check.duration_ms));
    let mut words =
        format!("{title}: {}{kind}: {} [{probe}]\n", check.verdict.as_str(), tame(&check.message));
    if !check.calls.is_empty() {
        let columns = ["CALL", "TOOL", "TIME", "OUTCOME", "MESSAGE"].map(Column::new).into();
        words += &Table::new(columns, colours).render(&check.calls.iter().map(call_row).collect::<Vec<_>>());
    }
    let figures =
        check.measures.iter().map(|measure| format!("{} = {}\n", tame(&measure.name), measure.value));
    let log = check.logs.iter().map(|line| format!("{}: {}\n", tame(&line.level), tame(&line.message)));
    words.extend(figures.chain(log));
    words
}

fn call_row(call: &CallView) -> Vec<Cell> {
    let colour = if call.outcome == "ok" { Colour::Green } else { Colour::Red };
    let deferred = if call.deferred { " (deferred)" } else { "" };
    vec![
        format!("{}{deferred}", tame(&call.method)).into(),
        tame(call.tool.as_deref().unwrap_or_default()).into(),
        age::milliseconds(call.duration_ms).into(),
        Cell::painted(tame(&call.outcome), colour),
        tame(call.message.as_deref().unwrap_or_default()).into(),
    ]
}
