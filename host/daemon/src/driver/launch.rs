//! From a manifest to what the runtime is asked to start.

use std::path::PathBuf;

use mcpd_api::manifest::{Launch, PackageRuntime};
use mcpd_core::env::Env;

use crate::runtime::{self, StartRequest};
use crate::state::{Cell, Desired};

/// The request for one attempt.
///
/// # Errors
/// A sentence, where no runtime of this mcpd can run what the manifest names.
pub(super) fn start_request(cell: &Cell, desired: &Desired, env: &Env) -> Result<StartRequest, String> {
    let (launch, args, cwd) = match &desired.manifest.launch {
        Launch::Command { command, args, cwd } => {
            (runtime::Launch::Command { argv: command.clone() }, args, cwd)
        }
        Launch::Package { package, runtime, bin, args, cwd, .. } => {
            let (package, bin) = (package.clone(), bin.clone());
            let launch = match runtime {
                PackageRuntime::Node => runtime::Launch::NodePackage { package, bin },
                PackageRuntime::Python => runtime::Launch::PythonPackage { package, bin },
            };
            (launch, args, cwd)
        }
        Launch::Image { image, .. } => {
            return Err(format!(
                "cannot run image {image}: this mcpd has no container engine, only host processes"
            ));
        }
        Launch::External { url, .. } => {
            return Err(format!("cannot connect to {url}: this version of mcpd has no HTTP transport"));
        }
    };
    Ok(StartRequest {
        instance: cell.id.clone(),
        server: cell.server.clone(),
        launch,
        args: args.clone(),
        cwd: cwd.as_ref().map(PathBuf::from),
        env: env.variables.clone(),
        redactor: env.redactor.clone(),
    })
}
