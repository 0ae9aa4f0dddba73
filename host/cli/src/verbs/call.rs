//! `mcpctl call`: calls a tool of a server through its live connection.

use std::io::Read as _;
use std::time::Duration;

use mcpd_api::bounds::DOCUMENT_BYTES_MAX;
use mcpd_api::view::{McpAnswer, McpCallRequest, McpError};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::wait::duration;
use super::why::Format;
use crate::Session;
use crate::client::segment;
use crate::output::talk;
use crate::target::Target;
use crate::trouble::{Done, Trouble};

/// What mcpd and the network may need beyond the deadline of the call itself.
const SLACK: Duration = Duration::from_secs(10);

/// Arguments of `call`.
#[derive(clap::Args)]
#[command(after_help = "\
The exit code is 1 when the server answers with an error, or the tool reports failure (isError).

Examples:
  mcpctl call demo whoami
  mcpctl call demo add '{\"a\": 1, \"b\": 2}'
  echo '{\"text\": \"hello\"}' | mcpctl call demo echo - -o json")]
pub(crate) struct Args {
    /// A server
    #[arg(value_name = "SERVER")]
    server: String,
    /// One of its tools
    #[arg(value_name = "TOOL")]
    tool: String,
    /// Arguments of the tool, a JSON object, or - for stdin
    #[arg(value_name = "JSON", default_value = "{}", hide_default_value = true)]
    arguments: String,
    /// Use this instance, Ready or not
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// How long the call may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    timeout: Duration,
    /// How the result is shown
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What a tool gave, as far as it is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolResult {
    #[serde(default)]
    content: Vec<Value>,
    #[serde(default)]
    structured_content: Option<Value>,
    #[serde(default)]
    is_error: bool,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let server = Target::one(std::slice::from_ref(&args.server))?.server()?;
    let request = McpCallRequest {
        method: "tools/call".to_owned(),
        params: Some(params(&args)?),
        instance: args.instance.clone(),
        timeout_seconds: Some(args.timeout.as_secs_f64()),
    };
    let path = format!("/servers/{}/mcp", segment(&server));
    let answer: McpAnswer = session.client.post(&path, &request, args.timeout + SLACK).await?;
    match (answer.result, answer.error) {
        (_, Some(error)) => refused(&error, args.output, session),
        (Some(result), None) => gave(&result, args.output, session),
        (None, None) => Err(Trouble::BadAnswer("the answer holds neither a result nor an error".to_owned())),
    }
}

fn params(args: &Args) -> Done<Box<RawValue>> {
    let text = if args.arguments == "-" { read_stdin()? } else { args.arguments.clone() };
    let arguments: Value = serde_json::from_str(&text)
        .map_err(|error| Trouble::Usage(format!("the arguments are no JSON: {error}")))?;
    if !arguments.is_object() {
        return Err(Trouble::Usage("the arguments must be a JSON object, such as {\"a\": 1}".to_owned()));
    }
    // The text itself is sent on, so that no number is rounded on the way.
    let name = Value::from(args.tool.as_str());
    RawValue::from_string(format!(r#"{{"name":{name},"arguments":{text}}}"#))
        .map_err(|error| Trouble::Usage(format!("the arguments are no JSON: {error}")))
}

fn read_stdin() -> Done<String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(DOCUMENT_BYTES_MAX as u64).read_to_string(&mut text);
    read.map_err(Trouble::io("reading stdin"))?;
    Ok(text)
}

fn refused(error: &McpError, format: Format, session: &Session) -> Done {
    if format == Format::Json {
        session.output.json(error)?;
    }
    talk(&format!("error: the server answered {}: {}", error.code, error.message));
    Err(Trouble::Said)
}

fn gave(result: &RawValue, format: Format, session: &Session) -> Done {
    let parsed: ToolResult = serde_json::from_str(result.get())
        .map_err(|error| Trouble::BadAnswer(format!("the result is no tool result: {error}")))?;
    if format == Format::Json {
        session.output.line(result.get())?;
    } else if !parsed.is_error {
        session.output.print(&words(&parsed))?;
    }
    if parsed.is_error {
        talk(&format!("error: the tool failed: {}", words(&parsed).trim_end()));
        return Err(Trouble::Said);
    }
    Ok(())
}

/// Texts as they are, other content as JSON; the structured content where there is no other.
fn words(result: &ToolResult) -> String {
    let block = |block: &Value| match block.get("text").and_then(Value::as_str) {
        Some(text) => format!("{}\n", text.trim_end_matches('\n')),
        None => format!("{block}\n"),
    };
    match &result.structured_content {
        Some(structured) if result.content.is_empty() => format!("{structured}\n"),
        _ => result.content.iter().map(block).collect(),
    }
}
