//! The only place that reads the environment and the clock; everything else is handed what it needs.

use std::path::PathBuf;

use jiff::Timestamp;

/// What the environment says, read once at the start. An empty variable counts as absent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `MCPD_URL`
    pub(crate) url: Option<String>,
    /// `MCPD_TOKEN`, which belongs to `MCPD_URL` and to no other URL.
    pub(crate) token: Option<String>,
    /// Folder of a daemon of the same user.
    pub(crate) data_dir: Option<PathBuf>,
    /// The file with the contexts.
    pub(crate) config_file: Option<PathBuf>,
    /// Whether `NO_COLOR` asks for plain text.
    pub(crate) no_color: bool,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let home = variable("HOME").map(PathBuf::from);
        let xdg = |name, below_home: &str| {
            variable(name).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(below_home)))
        };
        Self {
            url: variable("MCPD_URL"),
            token: variable("MCPD_TOKEN"),
            data_dir: variable("MCPD_DATA_DIR")
                .map(PathBuf::from)
                .or_else(|| xdg("XDG_DATA_HOME", ".local/share").map(|folder| folder.join("mcpd"))),
            config_file: xdg("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("mcpctl/config.toml")),
            no_color: variable("NO_COLOR").is_some(),
        }
    }
}

/// The present moment, for ages in tables.
#[expect(clippy::disallowed_methods, reason = "the one place of the client that asks the clock")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "the one place of the client that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
