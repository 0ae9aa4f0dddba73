//! `mcpd serve` and `mcpd up`: from a configuration to a daemon that listens, and back to nothing.

use std::path::PathBuf;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::{Config, Environment};
use crate::data_dir::DataDir;
use crate::{http, up};

/// Serves until a signal ends it. Applies `files` once it listens, and shows what becomes of them.
///
/// # Errors
/// Whatever keeps it from starting, and a store that could not be written at the end.
#[expect(clippy::print_stderr, reason = "the one line that tells where it listens")]
pub async fn serve(
    config: Config,
    environment: Environment,
    files: Option<Vec<PathBuf>>,
) -> anyhow::Result<()> {
    // The lock first: a second mcpd is to hear of the folder it shares, not only of the port. Then the port,
    // before anything is started that would have to be stopped again.
    let folder = DataDir::open(&config.data.dir)?;
    let address = config.listen.address;
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let files = files.map(|files| up::read(&files)).transpose()?;
    let app = App::start(config, folder, &environment).await?;
    let address = listener.local_addr()?;
    let url = format!("http://{address}");
    app.publish(&url)?;
    let api = http::serve(app.api(address)?, listener);
    eprintln!("listening on {url}");
    watch_signals(app.end.clone())?;
    let shown = async {
        match files {
            Some(manifests) => up::up(&app, manifests).await,
            None => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        () = api => Ok(()),
        shown = shown => shown,
    };
    eprintln!("stopping");
    let stopped = app.stop().await;
    outcome.and(stopped)
}

/// The first SIGINT or SIGTERM ends mcpd in order. The second one ends it at once; the guardians of its servers
/// then end them.
fn watch_signals(end: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    #[expect(clippy::disallowed_methods, reason = "it waits for a signal as long as the process lives")]
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if first {
                end.cancel();
            }
        }
        std::process::exit(130);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_mcpd_hears_of_the_folder_before_the_port() {
        let parent = tempfile::tempdir().unwrap();
        let first = DataDir::open(&parent.path().join("data")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::default();
        config.data.dir = first.path().to_owned();
        config.listen.address = listener.local_addr().unwrap();
        let refused = async || {
            let served = serve(config.clone(), Environment::default(), None).await;
            served.unwrap_err().to_string()
        };
        let words = refused().await;
        assert!(words.starts_with("the data folder ") && words.contains("in use by another mcpd"), "{words}");
        drop(first);
        let words = refused().await;
        assert_eq!(words, format!("cannot listen on {}", config.listen.address));
    }
}
