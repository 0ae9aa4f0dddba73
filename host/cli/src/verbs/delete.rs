//! `mcpctl delete`: deletes things by name, or what files name.

use std::path::PathBuf;
use std::time::Duration;

use mcpd_api::manifest::Kind;
use mcpd_api::view::ForgottenView;
use reqwest::Method;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::manifests;
use crate::Session;
use crate::client::segment;
use crate::output::talk;
use crate::resource::Resource;
use crate::target::Target;
use crate::trouble::{Done, Trouble};

/// Long enough for every server to be stopped step by step (behaviour 5.5), and for a queue of them.
const GONE_WITHIN: Duration = Duration::from_mins(1);

/// Between two looks: short for a person, long for the daemon.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Arguments of `delete`.
#[derive(clap::Args)]
#[command(after_help = "\
A deleted instance is replaced; delete its server, or set replicas to 0, to be rid of it. The exit code \
is 6 when a server or an instance is not gone after 60 s.

A container whose engine does not answer cannot be stopped, so its server stays until the engine is back. \
With --force servers and instances are forgotten all the same; what is left of them is removed when the \
engine answers again.

Examples:
  mcpctl delete server demo
  mcpctl delete secret/demo-credentials
  mcpctl delete server demo --force
  mcpctl delete -f examples/quickstart.yaml")]
pub(crate) struct Args {
    /// KIND NAME… or KIND/NAME…
    #[arg(value_name = "KIND NAME", required_unless_present = "files", conflicts_with = "files")]
    what: Vec<String>,
    /// Delete what these files name
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Do not wait until servers and instances are gone
    #[arg(long)]
    no_wait: bool,
    /// Forget servers and instances without a proof that they are gone
    #[arg(long)]
    force: bool,
}

/// Something whose deletion was accepted.
struct Accepted {
    resource: Resource,
    name: String,
    path: String,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    let targets = targets(&args)?;
    if targets.iter().any(|(resource, _)| *resource == Resource::Events) {
        return Err(Trouble::Usage("events cannot be deleted".to_owned()));
    }
    let mut accepted = Vec::new();
    let mut refused = Ok(());
    for (resource, name) in targets {
        let path = format!("{}/{}", resource.path(), segment(&name));
        refused = if args.force && runs(resource) {
            forget(resource, &name, &path, session).await
        } else {
            let sent = session.client.send(Method::DELETE, &path).await;
            accepted.extend(sent.is_ok().then_some(Accepted { resource, name, path }));
            sent
        };
        if refused.is_err() {
            break;
        }
    }
    // All of them go at the same time, and what was accepted is told also where the next was refused.
    let told = tell(&accepted, &args, session).await;
    refused.and(told)
}

/// Whether it has to be stopped before it is gone.
fn runs(resource: Resource) -> bool {
    matches!(resource, Resource::Servers | Resource::Instances)
}

async fn forget(resource: Resource, name: &str, path: &str, session: &Session) -> Done {
    let forgotten: ForgottenView = session.client.delete(path, &[("force", "true")]).await?;
    session.output.line(&format!("{}/{name} force deleted", resource.singular()))?;
    for instance in &forgotten.left {
        talk(&format!(
            "something of instance {instance} may be left; it is removed as soon as its container engine answers"
        ));
    }
    Ok(())
}

async fn tell(accepted: &[Accepted], args: &Args, session: &Session) -> Done {
    let end = Instant::now() + GONE_WITHIN;
    for Accepted { resource, name, path } in accepted {
        let words = format!("{}/{name}", resource.singular());
        if !runs(*resource) {
            session.output.line(&format!("{words} deleted"))?;
        } else if args.no_wait {
            session.output.line(&format!("{words} is being deleted"))?;
        } else {
            let gone = tokio::time::timeout_at(end, until_gone(path, session)).await;
            gone.map_err(|_| Trouble::NotPassed(format!("{words} is being deleted and not gone yet")))??;
            session.output.line(&format!("{words} deleted"))?;
        }
    }
    Ok(())
}

/// Its processes are stopped first, and their end is proved: then there is no such thing any more.
async fn until_gone(path: &str, session: &Session) -> Done {
    loop {
        match session.client.get::<IgnoredAny>(path, &[]).await {
            Err(Trouble::Answer(problem)) if problem.status == 404 => return Ok(()),
            other => other?,
        };
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What to delete; of files the last first, because what others refer to stands before them.
fn targets(args: &Args) -> Done<Vec<(Resource, String)>> {
    if !args.files.is_empty() {
        let sourced = manifests::read(&args.files)?;
        let pair =
            |manifest: &mcpd_api::manifest::Manifest| (of_kind(manifest.kind()), manifest.name().to_owned());
        return Ok(sourced.iter().rev().map(|sourced| pair(&sourced.manifest)).collect());
    }
    let (resource, names) = Target::several(&args.what)?;
    if names.is_empty() {
        return Err(Trouble::Usage(format!("which {}? a name is needed", resource.singular())));
    }
    Ok(names.into_iter().map(|name| (resource, name)).collect())
}

fn of_kind(kind: Kind) -> Resource {
    match kind {
        Kind::Server => Resource::Servers,
        Kind::Secret => Resource::Secrets,
        Kind::SecretBackend => Resource::SecretBackends,
        Kind::Probe => Resource::Probes,
    }
}
