//! `mcpctl describe`: everything about one thing.

mod container;
mod sheet;

use jiff::Timestamp;
use mcpd_api::manifest::{EnvEntry, EnvSource, HealthCheck, ServerManifest};
use mcpd_api::view::{CheckView, InstanceView, ListView, ServerView, WhyView};
use serde_json::Value;

use super::why;
use crate::Session;
use crate::client::segment;
use crate::environment::now;
use crate::output::instances::{self, IsWide, check_words, ready};
use crate::output::table::{Cell, Column};
use crate::output::{age, events, servers, tame};
use crate::resource::Resource;
use crate::target::{self, Target, Telling};
use crate::trouble::{Done, Trouble};
use sheet::Sheet;

/// Checks shown of an instance; the daemon keeps 20.
const CHECKS_SHOWN_MAX: usize = 5;

/// Arguments of `describe`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mcpctl describe server demo
  mcpctl describe inst/k3v9x2
  mcpctl describe secret gitea-creds")]
pub(crate) struct Args {
    /// KIND NAME or KIND/NAME
    #[arg(required = true, num_args = 1..=2, value_name = "KIND NAME")]
    target: Vec<String>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let target = Target::one(&args.target)?;
    match target.resource {
        None | Some(Resource::Servers) => server(&target.name, session).await,
        Some(Resource::Instances) => instance(&target, session).await,
        Some(Resource::Events) => {
            Err(Trouble::Usage("an event has no more to tell; see `mcpctl events`".to_owned()))
        }
        Some(other) => {
            let value: Value =
                session.client.get(&format!("{}/{}", other.path(), segment(&target.name)), &[]).await?;
            session.output.yaml(&value)
        }
    }
}

async fn server(name: &str, session: &Session) -> Done {
    let view: ServerView = session.client.get(&format!("/servers/{}", segment(name)), &[]).await?;
    let list: ListView<InstanceView> = session.client.get("/instances", &[("server", name)]).await?;
    let why = why::of_server(name, session).await?;
    let why = serde_json::from_value::<WhyView>(why)
        .map_err(|error| Trouble::BadAnswer(format!("the reason is not understood: {error}")))?;
    let mut sheet = Sheet::new(session.output.colours());
    if let Some(spec) = view.spec() {
        spec_fields(&mut sheet, spec);
    }
    status_fields(&mut sheet, &view, now());
    sheet.section("Why", &why::words(&why, now()));
    sheet.conditions(&view.status.conditions, now());
    let rows: Vec<_> =
        list.items.iter().map(|instance| instances::row(instance, now(), IsWide::No)).collect();
    sheet.table("Instances", instances::columns(IsWide::No), &rows);
    session.output.print(&sheet.finish())
}

fn spec_fields(sheet: &mut Sheet, spec: &ServerManifest) {
    let labels: Vec<_> = spec.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    sheet.field("Name", &spec.name);
    sheet.field("Description", spec.description.as_deref().unwrap_or_default());
    sheet.field("Labels", &labels.join(", "));
    sheet.field("Runs", &servers::runs(&spec.launch));
    sheet.field("Transport", servers::transport(spec.transport));
    container::fields(sheet, spec);
    sheet.field(
        "Health check",
        &spec.health_check.as_ref().map_or_else(|| "the default".to_owned(), check_of),
    );
    for (index, entry) in spec.env.iter().enumerate() {
        sheet.field(if index == 0 { "Env" } else { "" }, &env_of(entry));
    }
}

fn status_fields(sheet: &mut Sheet, view: &ServerView, now: Timestamp) {
    let status = &view.status;
    let wanted = view.spec().map_or(0, |spec| spec.replicas);
    let replicas = format!(
        "{wanted} wanted, {} there, {} running, {} ready, {} functional, {} up to date",
        status.current_replicas,
        status.running_replicas,
        status.ready_replicas,
        status.verified_replicas,
        status.updated_replicas,
    );
    sheet.field("Replicas", &replicas);
    sheet.field("Rollout", status.rollout.as_deref().unwrap_or_default());
    for warning in &status.warnings {
        sheet.field("Warning", warning);
    }
    sheet.field("Version", &status.version.to_string());
    sheet.moment("Created", Some(status.created_at), now);
    sheet.moment("Changed", Some(status.updated_at), now);
}

fn check_of(check: &HealthCheck) -> String {
    if check.disabled {
        return "disabled".to_owned();
    }
    let what = match (&check.tool, &check.probe) {
        (Some(tool), _) => format!("tool {tool}"),
        (None, Some(probe)) => format!("probe {probe}"),
        (None, None) => "the default".to_owned(),
    };
    let every = check.interval.map(|interval| format!(", every {}s", interval.as_secs_f64()));
    let timeout = check.timeout.map(|timeout| format!(", timeout {}s", timeout.as_secs_f64()));
    let threshold = check.failure_threshold.map(|count| format!(", unhealthy after {count} failures"));
    [Some(what), every, timeout, threshold].into_iter().flatten().collect()
}

fn env_of(entry: &EnvEntry) -> String {
    match &entry.source {
        EnvSource::Value(value) => format!("{}={value}", entry.name),
        EnvSource::Secret { name, key, .. } => format!("{} from secret {name}, key {key}", entry.name),
    }
}

async fn instance(target: &Target, session: &Session) -> Done {
    let view = target::instance(&session.client, target, Telling::Worst).await?;
    let path = format!("/instances/{}/checks", segment(&view.id));
    let checks: ListView<CheckView> = session.client.get(&path, &[]).await?;
    let mut sheet = Sheet::new(session.output.colours());
    instance_fields(&mut sheet, &view, now());
    if view.container_id.is_some() {
        asked_for(&mut sheet, &view.server, session).await?;
    }
    retry_fields(&mut sheet, &view, now());
    sheet.conditions(&view.conditions, now());
    let rows: Vec<_> =
        checks.items.iter().take(CHECKS_SHOWN_MAX).map(|check| check_row(check, now())).collect();
    sheet.table(
        "Last checks",
        ["WHEN", "VERDICT", "TIME", "CALLS", "MESSAGE"].map(Column::new).into(),
        &rows,
    );
    let rows: Vec<_> = view.events.iter().map(|event| events::own_row(event, now())).collect();
    sheet.table("Events", ["LAST SEEN", "TYPE", "REASON", "MESSAGE"].map(Column::new).into(), &rows);
    session.output.print(&sheet.finish())
}

/// What its server asks for; nothing where that is being deleted by force at this moment.
async fn asked_for(sheet: &mut Sheet, server: &str, session: &Session) -> Done {
    match session.client.get::<ServerView>(&format!("/servers/{}", segment(server)), &[]).await {
        Ok(server) => server.spec().into_iter().for_each(|spec| container::fields(sheet, spec)),
        Err(Trouble::Answer(problem)) if problem.status == 404 => {}
        Err(trouble) => return Err(trouble),
    }
    Ok(())
}

fn instance_fields(sheet: &mut Sheet, view: &InstanceView, now: Timestamp) {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_default();
    sheet.field("Id", &view.id);
    sheet.field("Server", &view.server);
    sheet.field("Status", view.status.as_str());
    sheet.field("Health", view.health_status.map_or("not checked yet", |health| health.as_str()));
    sheet.field("Ready", ready(view));
    sheet.field("Check", &view.last_check.as_ref().map(|check| check_words(check, now)).unwrap_or_default());
    sheet.field("Pid", &view.pid.map(|pid| pid.to_string()).unwrap_or_default());
    sheet.field("Container", &or_none(&view.container_id));
    sheet.field("Image", &or_none(&view.image));
    sheet.field("Port", &view.port.map(|port| port.to_string()).unwrap_or_default());
    sheet.field("Protocol", &or_none(&view.protocol_version));
    sheet.field("Restarts", &view.restarts.to_string());
    sheet.moment("Created", Some(view.created_at), now);
}

fn retry_fields(sheet: &mut Sheet, view: &InstanceView, now: Timestamp) {
    let retry = &view.metadata;
    if retry.attempt_count > 0 {
        sheet.field("Attempts", &format!("{} failed in a row", retry.attempt_count));
    }
    sheet.moment("Last attempt", retry.last_attempt_at, now);
    let next = retry.next_retry_at.map(|at| format!("{at:.0} ({})", age::until(at, now)));
    sheet.field("Next retry", &next.unwrap_or_default());
    sheet.field("Error", retry.error.as_deref().unwrap_or_default());
}

fn check_row(check: &CheckView, now: Timestamp) -> Vec<Cell> {
    vec![
        format!("{} ago", age::short(age::since(check.at, now))).into(),
        check.verdict.as_str().into(),
        age::milliseconds(check.duration_ms).into(),
        check.calls.len().to_string().into(),
        tame(&check.message).into(),
    ]
}
