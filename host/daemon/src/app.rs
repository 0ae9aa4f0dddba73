//! The composition root: the one place that names adapters and puts the daemon together.

mod runtimes;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use jiff::Timestamp;
use mcpd_api::view::PartView;
use mcpd_probe::{HostConfig, Limits, ProbeHost};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::apply::{self, Desk};
use crate::checks::{Checks, Probes};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::data_dir::{Daemon, DataDir};
use crate::driver::{Context, Fleet, Settings};
use crate::engine::Works;
use crate::http::engine::Engine;
use crate::http::{Access, Api, Hosts, Token};
use crate::metrics::Metrics;
use crate::router::Router;
use crate::secrets::{self, Backends, Resolver, SealedKey, withheld_prefixes};
use crate::state::{Board, Defaults, Ledger};
use crate::store::sqlite::SqliteStore;
use crate::store::{self, Store};
use crate::withheld::Withheld;

use runtimes::{Given, Runtimes};

const MIB: usize = 1024 * 1024;

/// The daemon, put together.
pub struct App {
    /// What is known now.
    pub board: Arc<Board>,
    /// Where desired state is changed.
    pub desk: Desk,
    /// Ends everything that listens or follows.
    pub end: CancellationToken,
    parts: Parts,
    works: Arc<Works>,
    secrets: Arc<Resolver>,
    ledger: Ledger,
    config: Config,
    started_at: Timestamp,
    folder: DataDir,
    background: TaskTracker,
    changes: TaskTracker,
    ledger_end: CancellationToken,
}

/// What is opened first, and closed last.
struct Parts {
    clock: Clock,
    sqlite: SqliteStore,
    store: Arc<dyn Store>,
    withheld: Arc<Mutex<Vec<String>>>,
    runtimes: Runtimes,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
    ledger: Ledger,
    secrets: Arc<Resolver>,
}

impl App {
    /// Opens what is kept, loads the probes, ends what an earlier mcpd left, and starts to drive.
    ///
    /// # Errors
    /// Anything without which mcpd could not tell the truth: a store of a newer mcpd, a
    /// missing key, processes that will not go. The words name it.
    pub async fn start(
        config: Config,
        folder: DataDir,
        environment: &Environment,
    ) -> anyhow::Result<Arc<Self>> {
        let parts = open(&config, &folder, environment).await?;
        let probes = load_probes(&config, &folder).await?;
        probes.compile_durations().for_each(|duration| parts.metrics.probe_compiled(duration));
        let app = Arc::new(Self::assemble(config, folder, parts, probes)?);
        app.run_background();
        app.works.fleet.boot().await?;
        Ok(app)
    }

    fn assemble(config: Config, folder: DataDir, parts: Parts, probes: Probes) -> anyhow::Result<Self> {
        let end = CancellationToken::new();
        let socket = parts.runtimes.docker.as_ref().map(|(_, socket)| socket.as_path());
        let withheld: Arc<[Withheld]> = withheld(&folder, socket).into();
        let works = Arc::new(works(&config, &parts, probes, Arc::clone(&withheld), &end)?);
        let changes = TaskTracker::new();
        let desk = Desk::new(apply::Parts {
            store: Arc::clone(&parts.store),
            engine: Arc::clone(&works) as Arc<dyn Engine>,
            board: Arc::clone(&parts.board),
            resolver: Arc::clone(&parts.secrets),
            default_backend: config.secrets.default_backend.clone(),
            withheld,
            clock: parts.clock.clone(),
            tasks: changes.clone(),
            turn: tokio::sync::Mutex::new(()),
        });
        Ok(Self {
            board: Arc::clone(&parts.board),
            secrets: Arc::clone(&parts.secrets),
            ledger: parts.ledger.clone(),
            started_at: parts.clock.now(),
            background: TaskTracker::new(),
            ledger_end: CancellationToken::new(),
            desk,
            end,
            works,
            config,
            folder,
            changes,
            parts,
        })
    }

    /// The state of the API that answers at `address`.
    pub fn api(&self, address: SocketAddr) -> anyhow::Result<Arc<Api>> {
        let access = Access {
            token: Token::new(&self.folder.admin_token()?),
            hosts: Hosts::new(address, &self.config.listen.allowed_hosts),
            open_metrics: self.config.auth.open_metrics,
        };
        Ok(Arc::new(Api {
            board: Arc::clone(&self.board),
            store: Arc::clone(&self.parts.store),
            desk: self.desk.clone(),
            resolver: Arc::clone(&self.secrets),
            engine: Arc::clone(&self.works) as Arc<dyn Engine>,
            clock: self.parts.clock.clone(),
            access,
            started_at: self.started_at,
            end: self.end.clone(),
        }))
    }

    /// Says in the data folder where the API is.
    pub fn publish(&self, url: &str) -> anyhow::Result<()> {
        Ok(self.folder.publish(&Daemon { url: url.to_owned(), pid: std::process::id() })?)
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// How each runtime is.
    pub fn runtimes(&self) -> Vec<PartView> {
        self.works.runtimes()
    }

    /// Ends in order: no new work, every process stopped, everything written down.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.end.cancel();
        self.changes.close();
        self.changes.wait().await;
        self.works.fleet.shut_down().await;
        self.ledger_end.cancel();
        self.background.close();
        self.background.wait().await;
        self.parts.sqlite.close().await;
        Ok(self.folder.withdraw()?)
    }

    fn run_background(&self) {
        let (ledger, end) = (self.ledger.clone(), self.ledger_end.clone());
        self.background.spawn(async move { ledger.write_until(end).await });
        let (checks, end) = (Arc::clone(&self.works.checks), self.end.clone());
        self.background.spawn(checks.run_until(end));
    }
}

async fn open(config: &Config, folder: &DataDir, environment: &Environment) -> anyhow::Result<Parts> {
    let clock = Clock::system();
    let database = config.store.path.as_ref().map(|path| folder.path().join(path));
    let sqlite = SqliteStore::open(&database.unwrap_or_else(|| folder.database())).await?;
    let store: Arc<dyn Store> = Arc::new(sqlite.clone());
    let key = SealedKey::unlock(folder, &*store).await?;
    let backends = Backends::new(Arc::clone(&store), &key, served(environment));
    let withheld = Arc::new(Mutex::new(withheld_prefixes(&store.list_backends().await?)));
    let default_backend = config.secrets.default_backend.clone();
    let owner = store::owner_id(&*store).await?;
    let (clock_of, withheld_of, owner) = (&clock, &withheld, owner.as_str());
    let given = Given { config, folder, environment, clock: clock_of, withheld: withheld_of, owner };
    let runtimes = given.runtimes()?;
    Ok(Parts {
        runtimes,
        secrets: Arc::new(Resolver::new(Arc::clone(&store), backends, &key, default_backend)),
        ledger: Ledger::new(Arc::clone(&store)),
        board: Arc::default(),
        metrics: Arc::default(),
        clock,
        sqlite,
        store,
        withheld,
    })
}

fn works(
    config: &Config,
    parts: &Parts,
    probes: Probes,
    withheld: Arc<[Withheld]>,
    end: &CancellationToken,
) -> anyhow::Result<Works> {
    let (board, metrics, clock) = (&parts.board, &parts.metrics, &parts.clock);
    let (ledger, store) = (parts.ledger.clone(), Arc::clone(&parts.store));
    let checks = Checks::new(Arc::clone(board), ledger, clock.clone(), Arc::clone(metrics), probes, store);
    let checks = Arc::new(checks.doubting(Arc::clone(&parts.runtimes.runtime)));
    let context = Context {
        board: Arc::clone(board),
        ledger: parts.ledger.clone(),
        store: Arc::clone(&parts.store),
        runtime: Arc::clone(&parts.runtimes.runtime),
        secrets: Arc::clone(&parts.secrets),
        checks: Arc::clone(&checks),
        clock: clock.clone(),
        metrics: Arc::clone(metrics),
        settings: settings(config),
        tasks: TaskTracker::new(),
        end: end.child_token(),
        starts: Arc::new(Semaphore::new(usize::try_from(config.reconcile.parallel_starts)?)),
        withheld,
    };
    Ok(Works {
        fleet: Arc::new(Fleet::new(Arc::new(context), Defaults(config.checks.clone()))),
        router: Router::new(Arc::clone(board), Arc::clone(metrics), clock.clone()),
        board: Arc::clone(board),
        store: Arc::clone(&parts.store),
        runtime: Arc::clone(&parts.runtimes.runtime),
        docker: parts.runtimes.docker.as_ref().map(|(docker, _)| Arc::clone(docker)),
        packages: parts.runtimes.packages,
        metrics: Arc::clone(metrics),
        clock: clock.clone(),
        withheld: Arc::clone(&parts.withheld),
        checks,
    })
}

/// The variables that `env` secret backends may serve from.
fn served(environment: &Environment) -> secrets::Environment {
    environment.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn settings(config: &Config) -> Settings {
    Settings {
        schedule: config.backoff.schedule.clone(),
        count_reset_after: config.backoff.reset,
        scan: config.reconcile.scan,
    }
}

/// What no container is given of this host.
fn withheld(folder: &DataDir, socket: Option<&Path>) -> Vec<Withheld> {
    let data = (Some(folder.path()), "the data folder of mcpd", "read every secret");
    let socket = (socket, "the socket of the container engine", "rule this host");
    let place =
        |(path, what, harm): (Option<&Path>, _, _)| Some(Withheld { path: path?.to_owned(), what, harm });
    [data, socket].into_iter().filter_map(place).collect()
}

async fn load_probes(config: &Config, folder: &DataDir) -> anyhow::Result<Probes> {
    let host = ProbeHost::new(HostConfig {
        cache_dir: Some(folder.compiled()),
        pool_size: config.probes.pool_size,
        pagemap_scan: config.probes.pagemap_scan,
    })?;
    let limits = Limits::default()
        .with_cpu(config.probes.cpu)
        .with_memory_bytes(usize::try_from(config.probes.memory_mib)? * MIB)
        .with_calls(config.probes.calls);
    Probes::load(host, limits).await.context("no check can be made")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use mcpd_api::manifest::{Context as ManifestContext, Kind, parse};
    use mcpd_api::view::PartState;
    use serde_json::json;

    use super::*;
    use crate::apply::{LeftOut, Mode, Request};
    use crate::config::RuntimeKind;
    use crate::store::Expected;

    #[tokio::test]
    async fn compilations_are_counted_and_a_backend_that_is_gone_leaves_no_series() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataDir::open(&parent.path().join("data")).unwrap();
        let app = App::start(Config::default(), folder, &Environment::default()).await.unwrap();
        let failure = mcpd_core::env::SecretFailure::KeyNotFound;
        for backend in ["sealed", "gone"] {
            app.parts.metrics.secret_failure(backend, &failure);
        }
        app.works.backend_changed("gone").await;
        let text = app.works.metrics().await;
        assert!(text.contains("mcpd_probe_compile_seconds_count 2"), "{text}");
        assert!(text.contains(r#"backend="sealed""#) && !text.contains(r#"backend="gone""#), "{text}");
        app.stop().await.unwrap();
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_told_and_holds_nobody_up() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataDir::open(&parent.path().join("data")).unwrap();
        let mut config = Config::default();
        config.runtime.docker.host = Some(format!("unix://{}", parent.path().join("no.sock").display()));
        let app = App::start(config, folder, &Environment::default()).await.unwrap();
        assert_eq!(app.runtimes()[1].state, PartState::Unneeded);
        let mut changes = app.board.watch();
        let manifest = json!({"kind": "server", "name": "demo", "dockerImage": "demo:1"});
        let manifests = vec![parse(&manifest, &ManifestContext::default()).unwrap()];
        let request = Request::Apply { manifests, mode: Mode::Write, left_out: LeftOut::Keep };
        let warnings = app.desk.carry_out(request).await.unwrap().answer.items[0].warnings.join("\n");
        assert!(warnings.contains("no instance can start until the container engine answers"), "{warnings}");
        let failed = || app.board.instances().iter().any(|cell| cell.read(|it| it.next_retry_at().is_some()));
        while !failed() {
            changes.recv().await.unwrap();
        }
        let docker = &app.runtimes()[1];
        assert_eq!((docker.state, docker.hint.is_some()), (PartState::Failing, true), "{docker:?}");
        let (server, instances) = (app.board.find_server("demo").unwrap(), app.board.instances());
        app.desk.delete(Kind::Server, "demo", Expected::Any).await.unwrap();
        assert_eq!(app.works.forget_server(&server).await.unwrap(), [instances[0].id.clone()]);
        app.stop().await.unwrap();
    }

    #[tokio::test]
    async fn an_engine_that_cannot_be_reached_is_refused_where_it_was_asked_for() {
        let parent = tempfile::tempdir().unwrap();
        let environment = Environment::from([("DOCKER_HOST".to_owned(), "tcp://10.0.0.1:2375".to_owned())]);
        let start = async |kind, name: &str| {
            let folder = DataDir::open(&parent.path().join(name)).unwrap();
            let mut config = Config::default();
            config.runtime.kind = kind;
            App::start(config, folder, &environment).await
        };
        let app = start(RuntimeKind::Auto, "auto").await.unwrap();
        assert_eq!(app.runtimes().len(), 1);
        app.stop().await.unwrap();
        let error = start(RuntimeKind::Docker, "docker").await.map(drop).unwrap_err().to_string();
        assert!(error.contains("tcp://10.0.0.1:2375"), "{error}");
    }

    #[tokio::test]
    async fn the_database_is_where_the_configuration_says() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataDir::open(&parent.path().join("data")).unwrap();
        let mut config = Config::default();
        for path in [PathBuf::from("kept.db"), parent.path().join("elsewhere.db")] {
            config.store.path = Some(path.clone());
            let parts = open(&config, &folder, &Environment::default()).await.unwrap();
            parts.sqlite.close().await;
            assert!(folder.path().join(path).exists());
        }
        assert!(!folder.database().exists());
    }
}
