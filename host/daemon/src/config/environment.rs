//! Settings from variables: `MCPD_<SECTION>_<KEY>`, and a few names that were there before.
//!
//! An empty variable counts as one that is not set, as in the XDG specification. Only names that begin with
//! a section are ours: `MCPD_URL` is the client's, `MCPD_SECRET_*` belongs to the secret backend `env`.

use std::collections::BTreeMap;

use super::keys::{self, KEYS, Key};
use super::mistake::{Mistake, Origin};
use super::setting::Setting;
use super::suggest::did_you_mean;

/// The environment of the process as `main` read it.
pub type Environment = BTreeMap<String, String>;

/// Reads the environment of this process; call it once, in `main`. Variables that are not UTF-8 are left
/// out: none of ours can be one of them.
pub fn read_environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The settings in the environment, in the order of precedence.
pub(super) fn read(environment: &Environment, mistakes: &mut Vec<Mistake>) -> Vec<Setting> {
    mistakes.extend(unknown(environment));
    let names = KEYS.iter().flat_map(|key| variables(key).map(move |name| (key, name)));
    names.filter_map(|(key, name)| setting(environment, key, name)).collect()
}

/// The variables that set a key; a later one overrides an earlier one.
pub(super) fn variables(key: &Key) -> impl Iterator<Item = String> {
    key.variable.map(str::to_owned).into_iter().chain([sectioned(key.path)])
}

fn setting(environment: &Environment, key: &'static Key, name: String) -> Option<Setting> {
    let text = environment.get(&name).filter(|text| !text.is_empty())?;
    Some(Setting { value: key.shape.read_text(text), origin: Origin::Variable(name), key })
}

/// `backoff.fastSeconds` gives `MCPD_BACKOFF_FAST_SECONDS`.
fn sectioned(path: &str) -> String {
    let mut name = "MCPD_".to_owned();
    let mut letters = path.chars().peekable();
    while let Some(letter) = letters.next() {
        // A capital at the end of a word, as in `memoryMiB`, begins no word of its own.
        let begins_word = letter.is_ascii_uppercase() && letters.peek().is_some_and(char::is_ascii_lowercase);
        match letter {
            '.' => name.push('_'),
            _ if begins_word => name.extend(['_', letter]),
            _ => name.push(letter.to_ascii_uppercase()),
        }
    }
    name
}

fn unknown(environment: &Environment) -> impl Iterator<Item = Mistake> {
    let known: Vec<String> = KEYS.iter().flat_map(variables).collect();
    let ours =
        |name: &str| keys::sections().any(|section| name.starts_with(&format!("{}_", sectioned(section))));
    environment.iter().filter(move |(name, value)| !value.is_empty() && ours(name)).filter_map(
        move |(name, _)| {
            let is_known = known.contains(name);
            let problem =
                || format!("unknown variable{}", did_you_mean(name, known.iter().map(String::as_str)));
            (!is_known).then(|| Mistake {
                origin: Origin::Variable(name.clone()),
                key: String::new(),
                problem: problem(),
            })
        },
    )
}
