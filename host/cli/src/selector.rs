//! `-l team=dev,!old`: which labels a thing must have.

use std::collections::BTreeMap;
use std::str::FromStr;

/// Conditions that all have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Is(String, String),
    IsNot(String, String),
    Has(String),
    HasNot(String),
}

impl Selector {
    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|term| match term {
            Term::Is(key, value) => labels.get(key) == Some(value),
            Term::IsNot(key, value) => labels.get(key) != Some(value),
            Term::Has(key) => labels.contains_key(key),
            Term::HasNot(key) => !labels.contains_key(key),
        })
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').map(term).collect::<Result<_, _>>().map(Self)
    }
}

fn term(text: &str) -> Result<Term, String> {
    let text = text.trim();
    let (key, value) = match text.split_once('=') {
        Some((key, value)) => (key, Some(value.trim_start_matches('='))),
        None => (text, None),
    };
    let (key, is_negated) = match (key.strip_suffix('!'), key.strip_prefix('!'), value) {
        (Some(key), _, Some(_)) | (_, Some(key), None) => (key, true),
        _ => (key, false),
    };
    let key = key.trim().to_owned();
    if key.is_empty() {
        return Err(format!("`{text}` has no key: write key=value, key!=value, key or !key"));
    }
    Ok(match (value.map(str::trim).map(str::to_owned), is_negated) {
        (Some(value), false) => Term::Is(key, value),
        (Some(value), true) => Term::IsNot(key, value),
        (None, false) => Term::Has(key),
        (None, true) => Term::HasNot(key),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_selects_what_it_says() {
        let labels = BTreeMap::from([("team".to_owned(), "dev".to_owned())]);
        let matches = |text: &str| text.parse::<Selector>().unwrap().matches(&labels);
        assert!(
            ["team=dev", "team==dev", "team!=ops", "team", "!old", "team=dev,!old"].into_iter().all(matches)
        );
        assert!(!["team=ops", "team!=dev", "!team", "old", "team=dev,old"].into_iter().any(matches));
        assert!("".parse::<Selector>().is_err());
        assert!("=x".parse::<Selector>().is_err());
    }
}
