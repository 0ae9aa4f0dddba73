//! The composition root: the one place that names adapters and puts the daemon together.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use jiff::Timestamp;
use mcpd_probe::{HostConfig, Limits, ProbeHost};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::checks::{Checks, Probes};
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::data_dir::{Daemon, DataDir};
use crate::driver::{Context, Fleet, Settings};
use crate::metrics::Metrics;
use crate::router::Router;
use crate::runtime::Runtime;
use crate::runtime::process::{Grace, GUARDIANS_END, ProcessConfig, ProcessRuntime};
use crate::secrets::{self, Backends, Resolver, SealedKey, withheld_prefixes};
use crate::state::{Board, Defaults, Ledger};
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

const MIB: usize = 1024 * 1024;

/// The daemon, put together. Every handler of the API gets it.
pub struct App {
    /// What is known now.
    pub board: Arc<Board>,
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Writes down what becomes of instances.
    pub ledger: Ledger,
    /// Time and chance.
    pub clock: Clock,
    /// All servers at work.
    pub fleet: Arc<Fleet>,
    /// Calls of clients.
    pub router: Arc<Router>,
    /// Checks.
    pub checks: Arc<Checks>,
    /// Runs instances.
    pub runtime: Arc<dyn Runtime>,
    /// Resolves secrets.
    pub secrets: Arc<Resolver>,
    /// Figures.
    pub metrics: Arc<Metrics>,
    /// When this daemon started.
    pub started_at: Timestamp,
    /// The effective configuration.
    pub config: Arc<Config>,
    /// Ends everything that listens or follows.
    pub end: CancellationToken,
    token: Zeroizing<String>,
    withheld: Arc<Mutex<Vec<String>>>,
    folder: DataDir,
    sqlite: SqliteStore,
    background: TaskTracker,
    ledger_end: CancellationToken,
}

impl App {
    /// Opens what is kept, loads the probes, ends what an earlier mcpd left, and starts to drive.
    ///
    /// # Errors
    /// Anything without which mcpd could not tell the truth: a folder in use, a store of a newer mcpd, a
    /// missing key, processes that will not go. The words name it.
    pub async fn start(config: Config, environment: &Environment) -> anyhow::Result<Arc<Self>> {
        let clock = Clock::system();
        let folder = DataDir::open(&config.data.dir)?;
        let sqlite = SqliteStore::open(&folder.database()).await?;
        let store: Arc<dyn Store> = Arc::new(sqlite.clone());
        let key = SealedKey::unlock(&folder, &*store).await?;
        let backends = Backends::new(Arc::clone(&store), &key, served(environment));
        let secrets = Arc::new(Resolver::new(Arc::clone(&store), backends, &key));
        let withheld = Arc::new(Mutex::new(withheld_prefixes(&store.list_backends().await?)));
        let runtime = runtime(&config, &folder, environment, &clock, &withheld)?;
        let probes = load_probes(&config, &folder).await?;
        let (board, metrics) = (Arc::new(Board::default()), Arc::new(Metrics::default()));
        let ledger = Ledger::new(Arc::clone(&store));
        let checks = Checks::new(Arc::clone(&board), ledger.clone(), clock.clone(), Arc::clone(&metrics), probes);
        let checks = Arc::new(checks);
        let end = CancellationToken::new();
        let context = Arc::new(Context {
            board: Arc::clone(&board),
            ledger: ledger.clone(),
            store: Arc::clone(&store),
            runtime: Arc::clone(&runtime),
            secrets: Arc::clone(&secrets),
            checks: Arc::clone(&checks),
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            settings: settings(&config),
            tasks: TaskTracker::new(),
            end: end.child_token(),
            starts: Semaphore::new(usize::try_from(config.reconcile.parallel_starts)?),
        });
        let app = Arc::new(Self {
            fleet: Arc::new(Fleet::new(context, Defaults(config.checks.clone()))),
            router: Arc::new(Router::new(Arc::clone(&board), Arc::clone(&metrics), clock.clone())),
            token: folder.admin_token()?,
            started_at: clock.now(),
            config: Arc::new(config),
            background: TaskTracker::new(),
            ledger_end: CancellationToken::new(),
            board,
            store,
            ledger,
            clock,
            checks,
            runtime,
            secrets,
            metrics,
            end,
            withheld,
            folder,
            sqlite,
        });
        app.run_background();
        app.fleet.boot().await?;
        Ok(app)
    }

    fn run_background(&self) {
        let (ledger, end) = (self.ledger.clone(), self.ledger_end.clone());
        self.background.spawn(async move { ledger.write_until(end).await });
        let (checks, end) = (Arc::clone(&self.checks), self.end.clone());
        self.background.spawn(checks.run_until(end));
    }

    /// The bearer token of the API.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Says in the data folder where the API is.
    pub fn publish(&self, url: &str) -> anyhow::Result<()> {
        Ok(self.folder.publish(&Daemon { url: url.to_owned(), pid: std::process::id() })?)
    }

    /// A secret backend was written: what the `env` ones serve is withheld from servers (behaviour 3.8).
    pub async fn backends_changed(&self) {
        match self.store.list_backends().await {
            Ok(backends) => {
                *self.withheld.lock().unwrap_or_else(PoisonError::into_inner) = withheld_prefixes(&backends);
            }
            Err(error) => tracing::error!(%error, "secret backends not read"),
        }
    }

    /// Ends in order: no new work, every process stopped, everything written down.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.end.cancel();
        self.fleet.shut_down().await;
        self.ledger_end.cancel();
        self.background.close();
        self.background.wait().await;
        self.sqlite.close().await;
        Ok(self.folder.withdraw()?)
    }
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

fn runtime(
    config: &Config,
    folder: &DataDir,
    environment: &Environment,
    clock: &Clock,
    withheld: &Arc<Mutex<Vec<String>>>,
) -> anyhow::Result<Arc<dyn Runtime>> {
    let (clock, withheld) = (clock.clone(), Arc::clone(withheld));
    let process = ProcessRuntime::new(ProcessConfig {
        program: PathBuf::from("/proc/self/exe"),
        folder: folder.run(),
        user: config.runtime.process.user.clone(),
        parent_env: environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        pass_env: config.runtime.process.pass_env.clone(),
        withheld: Arc::new(move || withheld.lock().unwrap_or_else(PoisonError::into_inner).clone()),
        now: Arc::new(move || clock.now()),
        grace: Grace::default(),
        sweep_patience: GUARDIANS_END,
    })?;
    Ok(Arc::new(process))
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
