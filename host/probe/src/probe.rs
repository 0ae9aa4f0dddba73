//! A loaded probe: compiled, linked, and asked once what it is.

use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

use crate::answer;
use crate::context::CheckContext;
use crate::contract::ProbePre;
use crate::limits::Limits;
use crate::text;

/// A description with its schema; mcpd itself reads a few members of it.
const DESCRIPTION_BYTES_MAX: usize = 64 * 1024;
const LIST_MAX: usize = 64;
const WORD_BYTES_MAX: usize = 256;
const SUMMARY_BYTES_MAX: usize = 1024;

/// A probe that is ready to run.
pub struct Probe {
    pub(crate) code: Arc<Code>,
    pub(crate) limits: Limits,
    pub(crate) description: Description,
}

/// Compiled and linked code, shared by all probes of one digest.
pub(crate) struct Code {
    pub(crate) pre: ProbePre<CheckContext>,
    pub(crate) digest: String,
    pub(crate) contract_version: String,
    pub(crate) component_bytes: usize,
    /// Slots of the pool that one instance takes.
    pub(crate) slots: u32,
    /// None where compiled code was kept.
    pub(crate) compile_duration: Option<Duration>,
}

impl Probe {
    /// `sha256:…` of the component.
    pub fn digest(&self) -> &str {
        &self.code.digest
    }

    /// Version of the contract it was built for.
    pub fn contract_version(&self) -> &str {
        &self.code.contract_version
    }

    /// Size of the component.
    pub fn component_bytes(&self) -> usize {
        self.code.component_bytes
    }

    /// How long it took to compile; `None` where compiled code was kept.
    pub fn compile_duration(&self) -> Option<Duration> {
        self.code.compile_duration
    }

    /// What one check of it may use.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }
}

/// What `describe` answered, as far as mcpd reads it; its words are the guest's, cleaned and bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Description {
    /// Its own name; what it is called in manifests counts, not this.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// Transports it is for; empty for all.
    pub transports: Vec<String>,
    /// Tools it wants to call; a request, not a grant.
    pub tools: Vec<String>,
    /// Methods it wants to call; a request, not a grant.
    pub methods: Vec<String>,
    /// Where to read more.
    pub docs: String,
}

impl Description {
    pub(crate) fn parse(json: &str) -> Result<Self, String> {
        if json.len() > DESCRIPTION_BYTES_MAX {
            return Err(format!("it has {} bytes, and {DESCRIPTION_BYTES_MAX} are the limit", json.len()));
        }
        if !answer::is_object(json) {
            return Err("it is not an object".to_owned());
        }
        let raw: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Ok(Self {
            name: text::line(&raw.name, WORD_BYTES_MAX),
            version: text::line(&raw.version, WORD_BYTES_MAX),
            summary: text::line(&raw.summary, SUMMARY_BYTES_MAX),
            transports: lines(&raw.transports),
            tools: lines(&raw.tools),
            methods: lines(&raw.methods),
            docs: text::line(&raw.docs, SUMMARY_BYTES_MAX),
        })
    }
}

fn lines(words: &[String]) -> Vec<String> {
    words.iter().take(LIST_MAX).map(|word| text::line(word, WORD_BYTES_MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_cleaned_bounded_and_may_hold_more() {
        let json = r#"{"name":"a\u001b[2J","tools":["x"],"configSchema":{"type":"object"},"later":1}"#;
        let description = Description::parse(json).unwrap();
        assert_eq!(description.name, "a [2J");
        assert_eq!(description.tools, ["x"]);
        assert!(Description::parse("[]").is_err());
        assert!(Description::parse(&"x".repeat(DESCRIPTION_BYTES_MAX + 1)).is_err());
    }
}
