//! What has to hold between keys, and could not be said by the shape of one of them.

use super::model::Config;

/// A rule that is broken: the key to blame, and why.
pub(super) type Broken = (&'static str, String);

const RULES: [fn(&Config) -> Option<Broken>; 2] = [beyond_loopback, data_folder];

/// Every rule that the configuration breaks.
pub(super) fn broken(config: &Config) -> impl Iterator<Item = Broken> {
    RULES.iter().filter_map(|rule| rule(config))
}

fn beyond_loopback(config: &Config) -> Option<Broken> {
    let listen = &config.listen;
    let problem = "lies beyond loopback, where tokens and answers would cross the network in the clear; \
                   set listen.insecure (or --insecure-listen) if something in front of mcpd protects them";
    (!listen.address.ip().is_loopback() && !listen.insecure).then(|| ("listen.address", problem.to_owned()))
}

fn data_folder(config: &Config) -> Option<Broken> {
    let problem = "no data folder: set --data-dir, MCPD_DATA_DIR, XDG_DATA_HOME or HOME";
    config.data.dir.as_os_str().is_empty().then(|| ("data.dir", problem.to_owned()))
}
