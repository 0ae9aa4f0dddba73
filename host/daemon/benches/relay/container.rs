//! The same server in a container: the live connection over an attachment, and what a daemon of its own needs.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mcpd::runtime::docker::{DockerConfig, DockerRuntime, Endpoint};
use mcpd::runtime::{
    Isolation, Launch, Limits, Progress, PullPolicy, RunNumbers, Runtime as _, StartRequest, Streams,
};
use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::secret::Redactor;
use mcpd_core::server::Revision;
use mcpd_mcp::{ConnectOptions, Connection};

use crate::daemon::{MCPD, SERVER, program};

/// An image of the server, and what was made of it; removed with this value.
pub(crate) struct Dock {
    /// The image, and the network of its containers.
    name: String,
    endpoint: Endpoint,
}

impl Dock {
    /// Makes the image; fails where no engine answers.
    pub(crate) fn new() -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "where the engine is is a matter of the machine")]
        let endpoint = Endpoint::find(None, |name| std::env::var(name).ok()).map_err(io::Error::other)?;
        let name = format!("mcpd-bench-{}", std::process::id());
        docker(&["version"])?;
        let folder = tempfile::tempdir()?;
        let archive = folder.path().join("image.tar");
        pack(&archive)?;
        docker(&["import", &archive.to_string_lossy(), &name])?;
        Ok(Self { name, endpoint })
    }

    /// The manifest of a server in a container.
    pub(crate) fn manifest(&self) -> String {
        let Self { name, .. } = self;
        format!(
            r#"[{{"kind":"server","name":"{SERVER}","dockerImage":"{name}","command":["/mcpd","demo-server"],
                "imagePullPolicy":"Never","healthCheck":{{"tool":"whoami"}}}}]"#
        )
    }

    /// The network that a daemon is to use.
    pub(crate) fn network(&self) -> &str {
        &self.name
    }

    /// A live connection to a server of its own, and the runtime that keeps it.
    pub(crate) async fn connect(&self) -> (Connection, DockerRuntime) {
        let runtime = DockerRuntime::new(self.config());
        let started = runtime.start(self.request()).await.expect("started");
        let Streams::Other { stdin, stdout } = started.streams else { panic!("an attachment") };
        let connection = Connection::open(stdout, stdin, ConnectOptions::new(SERVER, 1)).await;
        (connection.expect("connected"), runtime)
    }

    fn config(&self) -> DockerConfig {
        DockerConfig {
            owner: self.name.clone(),
            endpoint: self.endpoint.clone(),
            network: self.name.clone(),
            node_runner_image: None,
            python_runner_image: None,
            limits: Limits::default(),
            grace: Duration::from_secs(1),
            now: Arc::new(|| Timestamp::UNIX_EPOCH),
            numbers: RunNumbers::default(),
            events: mcpd::runtime::events(),
        }
    }

    fn request(&self) -> StartRequest {
        let command = [String::from("/mcpd"), String::from("demo-server")].into();
        let image = self.name.clone();
        StartRequest {
            instance: InstanceId::new("bench1"),
            server: ServerName::new(SERVER),
            launch: Launch::Image { image, command, pull: PullPolicy::Never, credentials: None },
            args: Vec::new(),
            cwd: None,
            env: Vec::new(),
            secret_names: Vec::new(),
            redactor: Redactor::default(),
            revision: Revision::default(),
            limits: Limits::default(),
            isolation: Isolation::default(),
            progress: Progress::default(),
        }
    }
}

impl Drop for Dock {
    fn drop(&mut self) {
        let of_network = format!("network={}", self.name);
        let ids = docker(&["ps", "--all", "--quiet", "--filter", &of_network]).unwrap_or_default();
        for id in ids.split_whitespace() {
            let _ = docker(&["rm", "--force", id]);
        }
        let _ = docker(&["network", "rm", &self.name]);
        let _ = docker(&["rmi", "--force", &self.name]);
    }
}

/// An archive of the server's program and of the libraries it is linked with.
fn pack(archive: &Path) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    fs::copy(MCPD, folder.path().join("mcpd"))?;
    let linked = output(program("ldd").arg(MCPD))?;
    for library in linked.split_whitespace().filter(|word| word.starts_with('/')) {
        let place = folder.path().join(library.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap_or(folder.path()))?;
        fs::copy(library, place)?;
    }
    output(program("tar").arg("--create").arg("--file").arg(archive).arg("-C").arg(folder.path()).arg("."))?;
    Ok(())
}

fn docker(arguments: &[&str]) -> io::Result<String> {
    output(program("docker").args(arguments))
}

/// What a program prints; its words of failure are an error.
fn output(program: &mut Command) -> io::Result<String> {
    let output = program.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
