//! The file with the contexts: daemons by name, and which one is meant when nothing is said.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::read_if_there;
use crate::environment::Environment;
use crate::trouble::{Done, Trouble};

/// All contexts.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contexts {
    /// The one that is meant when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    /// By name.
    #[serde(default, rename = "contexts")]
    pub(crate) by_name: BTreeMap<String, Context>,
}

/// One daemon.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Context {
    /// Its base URL.
    pub(crate) url: String,
    /// Its token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// A file that holds its token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Context {
    pub(crate) fn token(&self) -> Done<Option<String>> {
        let Some(path) = &self.token_file else { return Ok(self.token.clone()) };
        let doing = format!("reading the token file {}", path.display());
        let text = fs::read_to_string(path).map_err(Trouble::io(doing))?;
        Ok(Some(text.trim().to_owned()))
    }
}

impl Contexts {
    /// The file's contexts; none where there is no file.
    pub(crate) fn load(environment: &Environment) -> Done<Self> {
        let Some(path) = &environment.config_file else { return Ok(Self::default()) };
        let Some(text) = read_if_there(path)? else { return Ok(Self::default()) };
        toml::from_str(&text)
            .map_err(|error| Trouble::Usage(format!("{} is wrong: {}", path.display(), error.message())))
    }

    /// The current one, where one is chosen.
    pub(crate) fn current(&self) -> Done<Option<&Context>> {
        let Some(name) = &self.current else { return Ok(None) };
        self.by_name
            .get(name)
            .map(Some)
            .ok_or_else(|| Trouble::Usage(format!("the current context {name} is not in the configuration")))
    }

    /// Writes the file, for its owner only: it may hold tokens.
    pub(crate) fn save(&self, environment: &Environment) -> Done {
        let Some(path) = &environment.config_file else {
            return Err(Trouble::Usage("there is no home folder for a configuration".to_owned()));
        };
        let text = toml::to_string(self).map_err(|error| Trouble::BadAnswer(error.to_string()))?;
        replace(path, &text).map_err(Trouble::io(format!("writing {}", path.display())))
    }
}

/// Writes beside the file and renames, so that a crash leaves the old one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&beside)?.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}
