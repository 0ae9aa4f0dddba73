//! From a manifest to what the runtime is asked to start.

use std::path::PathBuf;

use mcpd_api::manifest::{self, Launch, PackageRuntime, ServerManifest, Transport};
use mcpd_core::env::{Env, EnvSource};
use mcpd_core::secret::SecretValue;
use mcpd_core::server::Revision;

use crate::runtime::{
    self, Isolation, Limits, Mount, Progress, PullPolicy, RegistryCredentials, Root, StartRequest,
};
use crate::state::{Cell, Desired, PULL_PASSWORD, PULL_USERNAME};

/// The request for one attempt.
///
/// # Errors
/// A sentence, where no runtime of this mcpd can run what the manifest names.
pub(super) fn start_request(
    cell: &Cell,
    desired: &Desired,
    revision: Revision,
    env: &Env,
    progress: Progress,
) -> Result<StartRequest, String> {
    let manifest = &desired.manifest;
    let (launch, args, cwd) = launch(manifest, env)?;
    Ok(StartRequest {
        instance: cell.id.clone(),
        server: cell.server.clone(),
        launch,
        args: args.to_vec(),
        cwd: cwd.map(PathBuf::from),
        env: env.variables.iter().filter(|(name, _)| !is_login(name)).cloned().collect(),
        secret_names: secret_names(desired),
        redactor: env.redactor.clone(),
        revision,
        limits: limits(manifest),
        isolation: isolation(manifest),
        progress,
    })
}

/// What is launched, its further arguments, and where.
type Launched<'a> = (runtime::Launch, &'a [String], Option<&'a str>);

fn launch<'a>(manifest: &'a ServerManifest, env: &Env) -> Result<Launched<'a>, String> {
    Ok(match &manifest.launch {
        Launch::Command { command, args, cwd } => {
            (runtime::Launch::Command { argv: command.clone() }, args, cwd.as_deref())
        }
        Launch::Package { package, runtime, bin, args, cwd, .. } => {
            (packaged(*runtime, package.clone(), bin.clone()), args, cwd.as_deref())
        }
        Launch::Image { image, command, args, pull_policy, .. } => {
            let (image, command, pull) = (image.clone(), command.clone(), pull(*pull_policy));
            (runtime::Launch::Image { image, command, pull, credentials: login(env) }, args, None)
        }
        Launch::External { url, .. } => {
            return Err(format!("cannot connect to {url}: this version of mcpd has no HTTP transport"));
        }
    })
}

fn packaged(runtime: PackageRuntime, package: String, bin: Option<String>) -> runtime::Launch {
    match runtime {
        PackageRuntime::Node => runtime::Launch::NodePackage { package, bin },
        PackageRuntime::Python => runtime::Launch::PythonPackage { package, bin },
    }
}

fn pull(policy: manifest::PullPolicy) -> PullPolicy {
    match policy {
        manifest::PullPolicy::IfNotPresent => PullPolicy::IfNotPresent,
        manifest::PullPolicy::Always => PullPolicy::Always,
        manifest::PullPolicy::Never => PullPolicy::Never,
    }
}

fn login(env: &Env) -> Option<RegistryCredentials> {
    let find = |wanted: &str| env.variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let username = find(PULL_USERNAME).map(SecretValue::expose)?.to_owned();
    Some(RegistryCredentials { username, password: find(PULL_PASSWORD)?.clone() })
}

fn is_login(name: &str) -> bool {
    [PULL_USERNAME, PULL_PASSWORD].contains(&name)
}

fn secret_names(desired: &Desired) -> Vec<String> {
    let secret = desired.env.iter().filter(|entry| matches!(entry.source, EnvSource::Secret(_)));
    secret.map(|entry| entry.name.clone()).filter(|name| !is_login(name)).collect()
}

fn limits(manifest: &ServerManifest) -> Limits {
    let resources = manifest.resources.unwrap_or_default();
    Limits { memory_mib: resources.memory_mib, cpus: resources.cpus, pids: resources.pids }
}

fn isolation(manifest: &ServerManifest) -> Isolation {
    let mount = |volume: &manifest::Volume| Mount {
        source: volume.source.clone(),
        target: volume.target.clone(),
        read_only: volume.read_only,
    };
    Isolation {
        port: port(manifest),
        mounts: manifest.volumes.iter().map(mount).collect(),
        root: if manifest.read_only_root_filesystem { Root::ReadOnly } else { Root::Writable },
    }
}

/// Only a server that is spoken to over HTTP has its port published.
fn port(manifest: &ServerManifest) -> Option<u16> {
    match (&manifest.launch, manifest.transport) {
        (_, Transport::Stdio) => None,
        (Launch::Image { container_port, .. } | Launch::Package { container_port, .. }, _) => *container_port,
        _ => None,
    }
}
