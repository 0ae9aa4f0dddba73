//! What no container is given of this host, whoever asks for it.

use std::path::{Path, PathBuf};

use mcpd_api::FieldError;
use mcpd_api::manifest::{ServerManifest, Volume};
use mcpd_api::problem::Problem;

/// A place of this host that no container is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// A folder or file; absolute.
    pub path: PathBuf,
    /// What it is, for people.
    pub what: &'static str,
    /// What a container could do with it, for people.
    pub harm: &'static str,
}

/// Why the server cannot have its volumes: one is such a place, lies in it, or holds it.
pub(super) fn refuse_volumes(manifest: &ServerManifest, withheld: &[Withheld]) -> Option<Problem> {
    let refusal = |(index, volume): (usize, &Volume)| {
        let message = withheld.iter().find_map(|place| place.refusal(&volume.source))?;
        Some(FieldError { path: format!("volumes[{index}].source"), message })
    };
    let errors: Vec<_> = manifest.volumes.iter().enumerate().filter_map(refusal).collect();
    let words = || format!("server {} asks for what no container is given", manifest.name);
    (!errors.is_empty()).then(|| Problem::invalid(words(), errors))
}

impl Withheld {
    fn refusal(&self, source: &str) -> Option<String> {
        let relation = match (self.path.starts_with(source), Path::new(source).starts_with(&self.path)) {
            (true, true) => "is",
            (true, false) => "holds",
            (false, true) => "lies in",
            (false, false) => return None,
        };
        let (path, what, harm) = (self.path.display(), self.what, self.harm);
        let named = if relation == "is" { String::new() } else { format!(" ({path})") };
        Some(format!("{source} {relation} {what}{named}, with which a container could {harm}"))
    }
}

#[cfg(test)]
mod tests {
    use mcpd_api::manifest::{Context, Manifest, parse};
    use serde_json::json;

    use super::*;

    fn refusals(source: &str) -> Vec<String> {
        let place = |path: &str, what, harm| Withheld { path: path.into(), what, harm };
        let withheld = [
            place("/var/lib/mcpd", "the data folder", "read every secret"),
            place("/run/docker.sock", "the socket", "do anything"),
        ];
        let manifest = json!({"kind": "server", "name": "a", "dockerImage": "i",
            "volumes": [{"source": "/srv", "target": "/a"}, {"source": source, "target": "/b"}]});
        let Ok(Manifest::Server(server)) = parse(&manifest, &Context::default()) else { panic!("refused") };
        let problem = refuse_volumes(&server, &withheld);
        problem.into_iter().flat_map(|problem| problem.errors).map(|error| error.to_string()).collect()
    }

    #[test]
    fn what_is_in_or_holds_what_is_withheld_is_refused() {
        let words =
            ["/var/lib/mcpd", "/var/lib", "/var/lib/mcpd/run", "/run/docker.sock"].map(refusals).concat();
        insta::assert_snapshot!(words.join("\n"), @"
        volumes[1].source: /var/lib/mcpd is the data folder, with which a container could read every secret
        volumes[1].source: /var/lib holds the data folder (/var/lib/mcpd), with which a container could read every secret
        volumes[1].source: /var/lib/mcpd/run lies in the data folder (/var/lib/mcpd), with which a container could read every secret
        volumes[1].source: /run/docker.sock is the socket, with which a container could do anything
        ");
        assert!(
            ["/var/lib/mcpd2", "/srv", "/run/other.sock"]
                .into_iter()
                .all(|source| refusals(source).is_empty())
        );
    }
}
