//! The clean environment of a process of the host (behaviour 3.8).

use std::collections::BTreeMap;

use mcpd_core::secret::SecretValue;

/// Passed on under exactly these names: who and where one is, the way out, and whom to trust on it.
const PASSED: [&str; 18] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "TZ",
    "TMPDIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
];

/// Passed on for Node alone, which has its own word for certificates.
const PASSED_NODE: &str = "NODE_EXTRA_CA_CERTS";

/// Passed on with whatever follows: the locale, and the settings of npm, pip and uv.
const PASSED_PREFIXES: [&str; 5] = ["LC_", "npm_config_", "NPM_CONFIG_", "PIP_", "UV_"];

/// mcpd's own variables, some of which are secrets.
const OWN_PREFIX: &str = "MCPD_";

/// The environment of a server: what is passed on of `parent`, and over it the server's `own` entries.
///
/// Of `parent`, nothing that begins with `MCPD_` or one of `never_prefixes` (what the `env` secret backends
/// serve; empty ones are ignored) is passed on, not even where `pass` names it. Values are held as secrets:
/// a proxy's URL may well hold a password.
pub fn clean_env(
    parent: impl IntoIterator<Item = (String, String)>,
    pass: &[String],
    never_prefixes: &[String],
    own: impl IntoIterator<Item = (String, SecretValue)>,
) -> BTreeMap<String, SecretValue> {
    parent
        .into_iter()
        .filter(|(name, _)| is_passed(name, pass) && !is_withheld(name, never_prefixes))
        .map(|(name, value)| (name, SecretValue::new(value)))
        .chain(own)
        .collect()
}

fn is_passed(name: &str, pass: &[String]) -> bool {
    PASSED.contains(&name)
        || name == PASSED_NODE
        || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || pass.iter().any(|passed| passed == name)
}

fn is_withheld(name: &str, never_prefixes: &[String]) -> bool {
    name.starts_with(OWN_PREFIX)
        || never_prefixes.iter().any(|prefix| !prefix.is_empty() && name.starts_with(prefix.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &[&str], pass: &[&str], never: &[&str], own: &[&str]) -> Vec<String> {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let parent = parent.iter().map(|&name| (name.to_owned(), "parent".to_owned()));
        let own = own.iter().map(|&name| (name.to_owned(), SecretValue::new("own".to_owned())));
        clean_env(parent, &owned(pass), &owned(never), own).into_keys().collect()
    }

    #[test]
    fn only_what_is_named_is_passed_on() {
        let parent = [
            "PATH",
            "LC_ALL",
            "PIP_FIND_LINKS",
            "npm_config_registry",
            "AWS_SECRET_ACCESS_KEY",
            "LD_PRELOAD",
        ];
        assert_eq!(
            names(&parent, &[], &[], &[]),
            ["LC_ALL", "PATH", "PIP_FIND_LINKS", "npm_config_registry"]
        );
        assert_eq!(names(&["EDITOR", "PAGER"], &["EDITOR"], &[], &["GITEA_HOST"]), ["EDITOR", "GITEA_HOST"]);
    }

    #[test]
    fn secrets_of_mcpd_are_passed_on_by_no_means() {
        let parent = ["MCPD_TOKEN", "MCPD_SECRET_A", "VAULT_DB_PASSWORD", "UV_INDEX"];
        let pass = ["MCPD_TOKEN", "VAULT_DB_PASSWORD"];
        assert_eq!(names(&parent, &pass, &["VAULT_", ""], &[]), ["UV_INDEX"]);
    }

    #[test]
    fn own_entries_win() {
        let own = [("PATH".to_owned(), SecretValue::new("own".to_owned()))];
        let env = clean_env([("PATH".to_owned(), "parent".to_owned())], &[], &[], own);
        assert_eq!(env["PATH"].expose(), "own");
    }
}
