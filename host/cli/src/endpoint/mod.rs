//! Where the daemon is and by which token it is reached. Both come from one source, so that no token is
//! ever sent to a URL it was not given for.

pub(crate) mod contexts;

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::environment::Environment;
use crate::trouble::{Done, Trouble};
use contexts::Contexts;

/// A daemon.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Base URL without a slash at its end.
    pub(crate) url: String,
    /// Sent as a bearer token.
    pub(crate) token: Option<String>,
}

/// What the flags say of the endpoint.
#[derive(Clone, Default, clap::Args)]
pub(crate) struct EndpointArgs {
    #[arg(
        help = "URL of the daemon, such as http://127.0.0.1:3100",
        long,
        global = true,
        value_name = "URL"
    )]
    url: Option<String>,
    // One token in 64 begins with a hyphen.
    /// Token for --url
    #[arg(long, global = true, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,
}

impl EndpointArgs {
    /// URL and token as they were said.
    pub(crate) fn said(&self) -> (Option<String>, Option<String>) {
        (self.url.clone(), self.token.clone())
    }
}

/// `daemon.json` in the data folder of a daemon.
#[derive(Deserialize)]
struct DaemonFile {
    url: String,
}

impl Endpoint {
    /// The first source that names a URL: flags, environment, current context, data folder.
    pub(crate) fn find(args: &EndpointArgs, environment: &Environment) -> Done<Self> {
        if args.url.is_none() && args.token.is_some() {
            return Err(Trouble::Usage("--token needs --url: a token belongs to one URL".to_owned()));
        }
        if let Some(url) = &args.url {
            return Self::new(url, args.token.clone());
        }
        if let Some(url) = &environment.url {
            return Self::new(url, environment.token.clone());
        }
        if let Some(context) = Contexts::load(environment)?.current()? {
            return Self::new(&context.url, context.token()?);
        }
        Self::of_data_dir(environment)
    }

    fn new(url: &str, token: Option<String>) -> Done<Self> {
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        if !is_http || url.parse::<reqwest::Url>().is_err() {
            return Err(Trouble::Usage(format!("`{url}` is no URL that begins with http:// or https://")));
        }
        Ok(Self { url: url.trim_end_matches('/').to_owned(), token })
    }

    fn of_data_dir(environment: &Environment) -> Done<Self> {
        let Some(folder) = &environment.data_dir else {
            return Err(Trouble::NoEndpoint("no URL is given and there is no home folder".to_owned()));
        };
        let file = folder.join("daemon.json");
        let Some(text) = read_if_there(&file)? else {
            return Err(Trouble::NoEndpoint(format!("no URL is given and {} is not there", file.display())));
        };
        let daemon: DaemonFile = serde_json::from_str(&text)
            .map_err(|error| Trouble::NoEndpoint(format!("{} is damaged: {error}", file.display())))?;
        let token = read_if_there(&folder.join("admin.token"))?;
        Self::new(&daemon.url, token.map(|token| token.trim().to_owned()))
    }
}

/// The text of a file, `None` where there is none.
fn read_if_there(path: &Path) -> Done<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Trouble::Io { doing: format!("reading {}", path.display()), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(url: Option<&str>, token: Option<&str>) -> EndpointArgs {
        EndpointArgs { url: url.map(str::to_owned), token: token.map(str::to_owned) }
    }

    /// An environment in which every source names another daemon.
    fn full(folder: &Path) -> Environment {
        fs::write(folder.join("daemon.json"), r#"{"url": "http://data:1", "pid": 7}"#).unwrap();
        fs::write(folder.join("admin.token"), "data-token\n").unwrap();
        let config = folder.join("config.toml");
        fs::write(
            &config,
            "current = 'c'\n[contexts.c]\nurl = 'http://context:1'\ntoken = 'context-token'\n",
        )
        .unwrap();
        Environment {
            url: Some("http://env:1/".to_owned()),
            token: Some("env-token".to_owned()),
            data_dir: Some(folder.to_owned()),
            config_file: Some(config),
            no_color: false,
        }
    }

    fn found(args: &EndpointArgs, environment: &Environment) -> (String, Option<String>) {
        let Ok(endpoint) = Endpoint::find(args, environment) else { panic!("no endpoint was found") };
        (endpoint.url, endpoint.token)
    }

    #[test]
    fn sources_are_asked_in_their_order_and_never_mixed() {
        let folder = tempfile::tempdir().unwrap();
        let mut environment = full(folder.path());
        let pair = |url: &str, token: Option<&str>| (url.to_owned(), token.map(str::to_owned));

        let with_url = flags(Some("http://flag:1"), None);
        assert_eq!(found(&with_url, &environment), pair("http://flag:1", None));
        let nothing = flags(None, None);
        assert_eq!(found(&nothing, &environment), pair("http://env:1", Some("env-token")));
        environment.url = None;
        assert_eq!(found(&nothing, &environment), pair("http://context:1", Some("context-token")));
        environment.config_file = None;
        assert_eq!(found(&nothing, &environment), pair("http://data:1", Some("data-token")));
    }

    #[test]
    fn a_token_without_its_url_is_wrong_usage() {
        let found = Endpoint::find(&flags(None, Some("t")), &Environment::default());
        assert!(matches!(found, Err(Trouble::Usage(_))));
    }

    #[test]
    fn without_any_source_the_words_name_the_file_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment { data_dir: Some(folder.path().to_owned()), ..Environment::default() };
        let Err(trouble) = Endpoint::find(&flags(None, None), &environment) else { panic!("found") };
        assert!(trouble.to_string().contains("daemon.json"), "{trouble}");
    }
}
