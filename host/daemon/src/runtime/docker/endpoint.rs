//! Which engine mcpd works with: the one socket it is reached by.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, BollardRequest};

use super::socket;

/// A call that has no deadline of its own ends after this all the same. Each call has one, far below.
const CALL_DEADLINE: Duration = Duration::from_mins(10);
/// The engine does not look at the host of a request over its socket; HTTP wants one.
const HOST: &str = "http://localhost";
/// Where the engine listens that most people have.
const DOCKER_SOCKET: &str = "/var/run/docker.sock";
/// Where Podman listens as a service of the system.
const PODMAN_SOCKET: &str = "/run/podman/podman.sock";

/// The Unix socket of a container engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    path: PathBuf,
}

/// What was named as the engine's socket cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{named:?} is no socket of a container engine: mcpd reaches one over a Unix socket only, named as \
     unix:///path/to/docker.sock"
)]
pub struct NoSocket {
    /// What was named.
    pub named: String,
}

impl Endpoint {
    /// The socket that is configured, else the one of `DOCKER_HOST`, else the first that is there of those where
    /// Docker and Podman listen. The choice holds for the life of this mcpd: while an engine restarts its
    /// socket is gone, and the containers must not be looked for at another one.
    ///
    /// `variable` gives a variable of the environment; an empty text counts as none.
    pub fn find(
        configured: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, NoSocket> {
        let named = configured.map(str::to_owned).filter(|text| !text.is_empty());
        let variable = |name| variable(name).filter(|text| !text.is_empty());
        if let Some(named) = named.or_else(|| variable("DOCKER_HOST")) {
            return Self::parse(&named);
        }
        let places = places(variable("XDG_RUNTIME_DIR").map(PathBuf::from).as_deref());
        let there = places.into_iter().find(|path| path.exists());
        Ok(Self { path: there.unwrap_or_else(|| DOCKER_SOCKET.into()) })
    }

    /// A socket by its path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn parse(named: &str) -> Result<Self, NoSocket> {
        let path = Path::new(named.strip_prefix("unix://").unwrap_or(named));
        if path.is_absolute() { Ok(Self::at(path)) } else { Err(NoSocket { named: named.to_owned() }) }
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.path.display())
    }
}

/// Where engines listen that nobody named, the likeliest first.
fn places(runtime_folder: Option<&Path>) -> Vec<PathBuf> {
    let own = |name: &str| runtime_folder.map(|folder| folder.join(name));
    let places = [
        Some(DOCKER_SOCKET.into()),
        own("docker.sock"),
        Some(PODMAN_SOCKET.into()),
        own("podman/podman.sock"),
    ];
    places.into_iter().flatten().collect()
}

/// The API of an engine, and its socket for what needs a whole connection.
#[derive(Debug, Clone)]
pub(super) struct Docker {
    api: bollard::Docker,
    endpoint: Endpoint,
}

impl Docker {
    /// Where the engine is.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Deref for Docker {
    type Target = bollard::Docker;

    fn deref(&self) -> &Self::Target {
        &self.api
    }
}

/// A client for the engine there. Asks nobody: each call opens a connection of its own, so that an engine may
/// come and go.
pub(super) fn connect(endpoint: &Endpoint) -> Docker {
    let path = endpoint.path.clone();
    let transport = move |request: BollardRequest| {
        let path = path.clone();
        async move { socket::send(&path, request).await }
    };
    let seconds = CALL_DEADLINE.as_secs();
    let api =
        bollard::Docker::connect_with_custom_transport(transport, Some(HOST), seconds, API_DEFAULT_VERSION)
            .expect("a custom transport is taken as it is");
    Docker { api, endpoint: endpoint.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(configured: Option<&str>, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Endpoint::find(configured, variable)
            .map(|endpoint| endpoint.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_configured_comes_before_what_the_environment_says() {
        let environment = [("DOCKER_HOST", "unix:///run/other.sock")];
        assert_eq!(find(Some("unix:///run/one.sock"), &environment).unwrap(), "unix:///run/one.sock");
        assert_eq!(find(Some("/run/one.sock"), &environment).unwrap(), "unix:///run/one.sock");
        assert_eq!(find(Some(""), &environment).unwrap(), "unix:///run/other.sock");
    }

    #[test]
    fn another_scheme_is_refused_with_what_is_possible() {
        let words = find(None, &[("DOCKER_HOST", "tcp://127.0.0.1:2375")]).unwrap_err();
        insta::assert_snapshot!(words, @r#""tcp://127.0.0.1:2375" is no socket of a container engine: mcpd reaches one over a Unix socket only, named as unix:///path/to/docker.sock"#);
        assert!(find(Some("unix://relative.sock"), &[]).is_err());
    }

    #[test]
    fn a_rootless_engine_is_looked_for_below_the_folder_of_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let own = places(Some(folder.path()));
        assert_eq!(own[1], folder.path().join("docker.sock"));
        assert_eq!(own[3], folder.path().join("podman/podman.sock"));
        assert_eq!(places(None).len(), 2);
    }
}
