//! Where files of mcpd lie when nobody says: the XDG base directories.

use std::path::PathBuf;

use super::environment::Environment;

/// The data folder, where the environment tells one.
pub(super) fn data(environment: &Environment) -> Option<PathBuf> {
    base(environment, "XDG_DATA_HOME", ".local/share").map(|base| base.join("mcpd"))
}

/// The configuration file that is read when it exists.
pub(super) fn config_file(environment: &Environment) -> Option<PathBuf> {
    base(environment, "XDG_CONFIG_HOME", ".config").map(|base| base.join("mcpd").join("mcpd.toml"))
}

/// Relative paths are invalid in these variables and are to be ignored, says the specification.
fn base(environment: &Environment, variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))
}
