//! What no container is given of this host, whoever asks for it and by whatever name.
//!
//! A source is compared as it is written and as what it leads to: a link in it may change at any time, so it is looked at
//! when a server is applied and again before each start.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcpd_api::manifest::Volume;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// For a look at what paths lead to; only a file system whose server is gone takes so long.
const LOOK_DEADLINE: Duration = Duration::from_secs(5);

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

/// Why volumes cannot be given, each with its index: the source is such a place, lies in it, or holds it. Also where that
/// cannot be told within 5 s.
pub async fn refusals(volumes: &[Volume], withheld: &[Withheld]) -> Vec<(usize, String)> {
    if volumes.is_empty() {
        return Vec::new();
    }
    let sources: Vec<_> = volumes.iter().map(|volume| volume.source.clone()).collect();
    let (asked, withheld) = (sources.clone(), withheld.to_vec());
    let look = spawn_blocking(move || refusals_now(&asked, &withheld));
    match timeout(LOOK_DEADLINE, look).await {
        Ok(Ok(refusals)) => refusals,
        _ => sources
            .iter()
            .map(|source| format!("{source} did not show what it leads to"))
            .enumerate()
            .collect(),
    }
}

fn refusals_now(sources: &[String], withheld: &[Withheld]) -> Vec<(usize, String)> {
    let refusal = |source: &String| withheld.iter().find_map(|place| place.refusal(source));
    sources.iter().enumerate().filter_map(|(index, source)| Some((index, refusal(source)?))).collect()
}

impl Withheld {
    fn refusal(&self, source: &str) -> Option<String> {
        let written = Path::new(source);
        let (real, place) = (real(written), real(&self.path));
        let (seen, path, relation) = [(written, &self.path), (&real, &place)]
            .into_iter()
            .find_map(|(seen, path)| Some((seen, path, relation(seen, path)?)))?;
        let leads =
            if seen == written { String::new() } else { format!(" leads to {}, which", seen.display()) };
        let named = if relation == "is" { String::new() } else { format!(" ({})", path.display()) };
        let (what, harm) = (self.what, self.harm);
        Some(format!("{source}{leads} {relation} {what}{named}, with which a container could {harm}"))
    }
}

fn relation(source: &Path, place: &Path) -> Option<&'static str> {
    match (place.starts_with(source), source.starts_with(place)) {
        (true, true) => Some("is"),
        (true, false) => Some("holds"),
        (false, true) => Some("lies in"),
        (false, false) => None,
    }
}

/// Where a path leads. What is not there yet, or may not be seen, is taken as it is written.
fn real(path: &Path) -> PathBuf {
    let leads = |part: &Path| Some((part.canonicalize().ok()?, path.strip_prefix(part).ok()?.to_owned()));
    match path.ancestors().find_map(leads) {
        // To join nothing would put a slash at the end.
        Some((there, rest)) if rest.as_os_str() == OsStr::new("") => there,
        Some((there, rest)) => there.join(rest),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn words(source: &str, withheld: &[Withheld]) -> String {
        refusals_now(&[source.to_owned()], withheld).into_iter().map(|(_, words)| words).collect()
    }

    fn place(path: impl Into<PathBuf>, what: &'static str, harm: &'static str) -> Withheld {
        Withheld { path: path.into(), what, harm }
    }

    #[test]
    fn what_is_in_or_holds_what_is_withheld_is_refused() {
        let withheld = [
            place("/var/none/mcpd", "the data folder", "read every secret"),
            place("/none/docker.sock", "the socket", "do anything"),
        ];
        let told = ["/var/none/mcpd", "/var/none", "/var/none/mcpd/run", "/none/docker.sock"];
        insta::assert_snapshot!(told.map(|source| words(source, &withheld)).join("\n"), @"
        /var/none/mcpd is the data folder, with which a container could read every secret
        /var/none holds the data folder (/var/none/mcpd), with which a container could read every secret
        /var/none/mcpd/run lies in the data folder (/var/none/mcpd), with which a container could read every secret
        /none/docker.sock is the socket, with which a container could do anything
        ");
        for source in ["/var/none/mcpd2", "/srv", "/none/other.sock"] {
            assert_eq!(words(source, &withheld), "");
        }
    }

    #[test]
    fn what_leads_to_it_through_a_link_is_refused_too() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name);
        for folder in ["data/run", "run", "other"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        for (target, link) in
            [("data", "to-data"), (".", "to-all"), ("run", "named-run"), ("other", "to-other")]
        {
            symlink(at(target), at(link)).unwrap();
        }
        // The socket is not there yet, and its folder is named by a link.
        let withheld = [
            place(at("data"), "the data", "read it"),
            place(at("named-run/engine.sock"), "the socket", "use it"),
        ];
        let told = ["to-data/run/new", "to-all/data", "to-all", "run", "run/engine.sock"];
        let told = told.map(|name| words(at(name).to_str().unwrap(), &withheld)).join("\n");
        insta::assert_snapshot!(told.replace(root.to_str().unwrap(), "ROOT"), @"
        ROOT/to-data/run/new leads to ROOT/data/run/new, which lies in the data (ROOT/data), with which a container could read it
        ROOT/to-all/data leads to ROOT/data, which is the data, with which a container could read it
        ROOT/to-all leads to ROOT, which holds the data (ROOT/data), with which a container could read it
        ROOT/run holds the socket (ROOT/run/engine.sock), with which a container could use it
        ROOT/run/engine.sock is the socket, with which a container could use it
        ");
        for allowed in ["to-other", "other", "to-other/new"] {
            assert_eq!(words(at(allowed).to_str().unwrap(), &withheld), "");
        }
    }
}
