//! Which registry an image's name leads to, by the rules of Docker's reference grammar.

use std::fmt;

/// The registry of names that begin with none.
const DEFAULT_REGISTRY: &str = "docker.io";
/// Another name for it, from older times.
const DEFAULT_REGISTRY_ONCE: &str = "index.docker.io";
/// Under which name a login at it is sent.
const DEFAULT_REGISTRY_LOGIN: &str = "https://index.docker.io/v1/";
/// Where images of it lie that have no folder.
const OFFICIAL: &str = "library/";
/// The tag of names that have none.
const DEFAULT_TAG: &str = "latest";

/// The longest name without tag and digest, in characters.
const NAME_MAX: usize = 255;
/// The longest tag.
const TAG_MAX: usize = 128;
/// The fewest digits of a digest.
const DIGEST_DIGITS_MIN: usize = 32;

/// The name of an image, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// Host and port of the registry.
    registry: String,
    /// The path there.
    path: String,
    /// The digest where there is one, else the tag.
    version: String,
}

/// A text is no name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadReference(&'static str);

impl Reference {
    /// Takes a name apart.
    pub(super) fn parse(image: &str) -> Result<Self, BadReference> {
        let (named, digest) = match image.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (image, None),
        };
        // A colon before a slash is that of a port.
        let (name, tag) = match named.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (named, None),
        };
        check(name, tag, digest)?;
        let (registry, path) = split_registry(name);
        let path = if registry == DEFAULT_REGISTRY && !path.contains('/') {
            format!("{OFFICIAL}{path}")
        } else {
            path.to_owned()
        };
        let version = digest.or(tag).unwrap_or(DEFAULT_TAG).to_owned();
        Ok(Self { registry: registry.to_owned(), path, version })
    }

    /// The name without tag and digest.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.path)
    }

    /// The digest where there is one, else the tag, else `latest`.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// What a login is sent for.
    pub(super) fn login_address(&self) -> &str {
        if self.registry == DEFAULT_REGISTRY { DEFAULT_REGISTRY_LOGIN } else { &self.registry }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.version.contains(':') { '@' } else { ':' };
        write!(f, "{}/{}{sign}{}", self.registry, self.path, self.version)
    }
}

/// The first part is a registry where it looks like a host: with a dot or port, in capitals, or `localhost`.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((DEFAULT_REGISTRY_ONCE, path)) => (DEFAULT_REGISTRY, path),
        Some((host, path)) if is_host(host) => (host, path),
        _ => (DEFAULT_REGISTRY, name),
    }
}

fn is_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':']) || part.chars().any(|c| c.is_ascii_uppercase())
}

fn check(name: &str, tag: Option<&str>, digest: Option<&str>) -> Result<(), BadReference> {
    let (registry, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (Some(host), path),
        _ => (None, name),
    };
    let refuse = |words| Err(BadReference(words));
    if name.len() > NAME_MAX {
        return refuse("an image's name has 255 characters at most");
    }
    if !registry.is_none_or(is_address) {
        return refuse("the registry in an image's name is a host, with a port where it has one");
    }
    if !path.split('/').all(is_component) {
        return refuse("an image's name has small letters and digits, with ., _ and - between them");
    }
    if !tag.is_none_or(is_tag) {
        return refuse("an image's tag has letters, digits, _, . and -, 128 at most");
    }
    if !digest.is_none_or(is_digest) {
        return refuse("an image's digest is written as sha256:<64 hexadecimal digits>");
    }
    Ok(())
}

/// A host name or an address, with a port where it has one.
fn is_address(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let in_brackets = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_name = match in_brackets {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(is_label),
    };
    is_name && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

fn is_label(label: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric();
    label.starts_with(is_letter)
        && label.ends_with(is_letter)
        && label.chars().all(|c| is_letter(c) || c == '-')
}

/// Letters and digits; between them one dot, one or two underscores, or any number of dashes.
fn is_component(component: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator = |text: &str| matches!(text, "" | "." | "_" | "__") || text.chars().all(|c| c == '-');
    component.starts_with(is_letter)
        && component.ends_with(is_letter)
        && component.split(is_letter).all(is_separator)
}

fn is_tag(tag: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= TAG_MAX
        && tag.starts_with(is_word)
        && tag.chars().all(|c| is_word(c) || matches!(c, '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, digits)) = digest.split_once(':') else { return false };
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(|c| c.is_ascii_alphanumeric())
    };
    algorithm.split(['+', '.', '-', '_']).all(is_word)
        && digits.len() >= DIGEST_DIGITS_MIN
        && digits.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn shown(image: &str) -> String {
        Reference::parse(image).map_or_else(|error| error.to_string(), |reference| reference.to_string())
    }

    #[test]
    fn names_are_completed_as_docker_completes_them() {
        for (image, whole) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("grafana/mcp", "docker.io/grafana/mcp:latest"),
            ("docker.io/busybox", "docker.io/library/busybox:latest"),
            ("index.docker.io/grafana/mcp", "docker.io/grafana/mcp:latest"),
            ("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1"),
            ("localhost/a", "localhost/a:latest"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
            ("127.0.0.1:5000/a:b", "127.0.0.1:5000/a:b"),
            ("[::1]:5000/a", "[::1]:5000/a:latest"),
            ("[::1]/a:b", "[::1]/a:b"),
            ("HOST/a", "HOST/a:latest"),
            ("a__b/c--d.e", "docker.io/a__b/c--d.e:latest"),
        ] {
            assert_eq!(shown(image), whole, "{image}");
        }
    }

    #[test]
    fn a_digest_wins_over_a_tag() {
        assert_eq!(shown(&format!("ghcr.io/a/b@{DIGEST}")), format!("ghcr.io/a/b@{DIGEST}"));
        assert_eq!(shown(&format!("ghcr.io/a/b:v1@{DIGEST}")), format!("ghcr.io/a/b@{DIGEST}"));
    }

    #[test]
    fn what_docker_does_not_take_for_a_name_is_refused() {
        let long = "a/".repeat(NAME_MAX);
        for image in [
            "",
            "a b",
            "A",
            "a/B",
            "a//b",
            "/a",
            "a/",
            "a:",
            "a:b:c",
            "a@",
            "a@sha256:12",
            "../containers/x",
            "a?b",
            "a_-b",
            "a___b",
            "-a",
            "host.:5000/a",
            "host.com:port/a",
            "[::g]/a",
            "a:-b",
            "a%2f",
            &long,
        ] {
            assert!(Reference::parse(image).is_err(), "{image}");
        }
        assert!(Reference::parse(&format!("a:{}", "x".repeat(TAG_MAX + 1))).is_err());
    }

    #[test]
    fn a_login_goes_to_the_registry_of_the_name() {
        let address = |image: &str| Reference::parse(image).unwrap().login_address().to_owned();
        assert_eq!(address("ghcr.io/a/b"), "ghcr.io");
        assert_eq!(address("localhost:5000/a"), "localhost:5000");
        assert_eq!(address("busybox"), "https://index.docker.io/v1/");
    }
}
