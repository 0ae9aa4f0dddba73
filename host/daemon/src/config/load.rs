//! Reads every source, in the order in which they override each other, and reports every mistake of all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::environment::{self, Environment};
use super::mistake::{ConfigError, Mistake, Origin};
use super::model::Config;
use super::setting::{Flag, Setting};
use super::{file, folders, keys, rules};

/// The largest configuration file; one with a check for each of thousands of images stays below.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config`: a file that must exist. Without it the one of the XDG folder is read if it is there.
    pub file: Option<PathBuf>,
    /// The environment of the process.
    pub environment: Environment,
    /// The flags that were given.
    pub flags: Vec<Flag>,
}

/// A configuration that was accepted, and where each value comes from.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The configuration.
    pub config: Config,
    pub(super) origins: BTreeMap<&'static str, Origin>,
}

/// Reads the configuration.
///
/// # Errors
///
/// Every mistake of the file, the environment and the flags, and every rule that their sum breaks.
pub fn load(sources: &Sources) -> Result<Effective, ConfigError> {
    let mut mistakes = Vec::new();
    let settings = collect(sources, &mut mistakes);
    let mut effective = Effective { config: Config::default(), origins: BTreeMap::new() };
    effective.config.data.dir = folders::data(&sources.environment).unwrap_or_default();
    for setting in settings {
        mistakes.extend(effective.apply(setting));
    }
    mistakes.extend(rules::broken(&effective.config).map(|(key, problem)| effective.blame(key, problem)));
    if mistakes.is_empty() { Ok(effective) } else { Err(ConfigError::sorted(mistakes)) }
}

impl Effective {
    /// Where the value of a key comes from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    fn apply(&mut self, setting: Setting) -> Option<Mistake> {
        let Setting { origin, key, value } = setting;
        match key.shape.set(&mut self.config, &value) {
            Ok(()) => {
                self.origins.insert(key.path, origin);
                None
            }
            Err(problem) => Some(Mistake { origin, key: key.path.to_owned(), problem }),
        }
    }

    fn blame(&self, key: &str, problem: String) -> Mistake {
        Mistake { origin: self.origin(key).clone(), key: key.to_owned(), problem }
    }
}

/// All settings; what overrides comes after what it overrides.
fn collect(sources: &Sources, mistakes: &mut Vec<Mistake>) -> Vec<Setting> {
    let mut settings = from_file(sources, mistakes);
    settings.extend(environment::read(&sources.environment, mistakes));
    settings.extend(sources.flags.iter().filter_map(from_flag));
    settings
}

fn from_file(sources: &Sources, mistakes: &mut Vec<Mistake>) -> Vec<Setting> {
    let implied = || folders::config_file(&sources.environment);
    let Some(path) = sources.file.clone().or_else(implied) else { return Vec::new() };
    match read(&path) {
        Ok(text) => file::read(&path, &text, mistakes),
        Err(error) if error.kind() == io::ErrorKind::NotFound && sources.file.is_none() => Vec::new(),
        Err(error) => {
            let origin = Origin::File { path: path.into(), line: None };
            mistakes.push(Mistake {
                origin,
                key: String::new(),
                problem: format!("cannot be read: {error}"),
            });
            Vec::new()
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= FILE_BYTES_MAX) {
        Ok(text)
    } else {
        Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")))
    }
}

fn from_flag(flag: &Flag) -> Option<Setting> {
    let key = keys::find(flag.key)?;
    Some(Setting { origin: Origin::Flag(flag.name), key, value: key.shape.read_text(&flag.text) })
}
