//! `mcpctl delete`: deletes things by name, or what files name.

use std::path::PathBuf;

use mcpd_api::manifest::Kind;
use reqwest::Method;

use super::manifests;
use crate::Session;
use crate::client::segment;
use crate::resource::Resource;
use crate::target::Target;
use crate::trouble::{Done, Trouble};

/// Arguments of `delete`.
#[derive(clap::Args)]
#[command(after_help = "\
A deleted instance is replaced; delete its server, or set replicas to 0, to be rid of it.

Examples:
  mcpctl delete server demo
  mcpctl delete secret/demo-credentials
  mcpctl delete -f examples/quickstart.yaml")]
pub(crate) struct Args {
    /// KIND NAME… or KIND/NAME…
    #[arg(value_name = "KIND NAME", required_unless_present = "files", conflicts_with = "files")]
    what: Vec<String>,
    /// Delete what these files name
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub(crate) async fn run(args: Args, session: &Session) -> Done {
    for (resource, name) in targets(&args)? {
        if resource == Resource::Events {
            return Err(Trouble::Usage("events cannot be deleted".to_owned()));
        }
        session.client.send(Method::DELETE, &format!("{}/{}", resource.path(), segment(&name))).await?;
        session.output.line(&format!("{}/{name} deleted", resource.singular()))?;
    }
    Ok(())
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
