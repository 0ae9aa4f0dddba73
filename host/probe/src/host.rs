//! The one probe host of a process: loads probes and runs checks.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcpd_core::check::{FailureKind, Verdict};
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::Engine;

use crate::cache::Cache;
use crate::calls::Calls;
use crate::clock::{CheckClock, Clock};
use crate::engine::{self, Pool};
use crate::grant::Grant;
use crate::limits::Limits;
use crate::linker;
use crate::load::{Cause, DESCRIBE_TIMEOUT, LoadError, Loader};
use crate::mcp::Connection;
use crate::outcome::{self, Ended, Outcome};
use crate::probe::{Code, Description, Probe};
use crate::report::{CheckReport, Spent, Traces};
use crate::sandbox::{Remains, Sandbox};
use crate::state::State;
use crate::target::Target;
use crate::text;
use crate::ticker;

/// Checks that run at once, where configuration says nothing. A slot takes address space, not memory.
const POOL_SIZE: u32 = 64;

/// How the host is set up.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Where compiled code is kept (0700, made where missing); `None` compiles at every load.
    pub cache_dir: Option<PathBuf>,
    /// Checks that run at once; further ones wait within their timeout. At least 1.
    pub pool_size: u32,
    /// Clean memory by `PAGEMAP_SCAN` (Linux 6.7 or later): 2 µs less per check. Off by default: stale pages
    /// were reported with it where memory is swapped out.
    pub pagemap_scan: bool,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { cache_dir: None, pool_size: POOL_SIZE, pagemap_scan: false }
    }
}

/// Why there is no probe host.
#[derive(Debug, Error)]
pub enum HostError {
    /// The engine refused its configuration.
    #[error("the WebAssembly engine could not be set up")]
    Engine(#[source] Cause),
    /// The clock of CPU limits did not start; without it a guest could spin for ever.
    #[error("the thread of the epoch could not be started")]
    Ticker(#[source] io::Error),
    /// The folder for compiled code can not be used.
    #[error("the folder {} for compiled code could not be opened", path.display())]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Loads probes and runs checks; one per process, shared.
pub struct ProbeHost {
    engine: Engine,
    loader: Arc<Loader>,
    slots: Semaphore,
    pool_size: u32,
}

/// One check to be made: of what, through what, and what it may do.
#[derive(Clone)]
pub struct Check {
    /// What is checked.
    pub target: Arc<Target>,
    /// The live connection that serves the clients.
    pub calls: Arc<dyn Calls>,
    /// What may be called on it.
    pub grant: Arc<Grant>,
    /// What the probe kept about this server.
    pub state: Arc<State>,
    /// The check's wall clock.
    pub timeout: Duration,
    /// Time and chance.
    pub clock: Clock,
}

impl ProbeHost {
    /// Sets the engine up and starts the clock of CPU limits.
    pub fn new(config: HostConfig) -> Result<Arc<Self>, HostError> {
        let engine_error = |error: wasmtime::Error| HostError::Engine(error.into());
        let pool_size = config.pool_size.max(1);
        let pool = Pool { slots: pool_size, pagemap_scan: config.pagemap_scan };
        let engine = engine::run_engine(pool).map_err(engine_error)?;
        ticker::start(&engine).map_err(HostError::Ticker)?;
        let linker = linker::permissions(&engine).map_err(engine_error)?;
        let cache = config.cache_dir.map(open_cache).transpose()?;
        let loader = Arc::new(Loader::new(engine.clone(), linker, cache));
        Ok(Arc::new(Self { engine, loader, slots: Semaphore::new(pool_size as usize), pool_size }))
    }

    /// Loads a component: compiled off the async threads, one at a time, once per digest; then asked what it is.
    pub async fn load(&self, component: Bytes, limits: Limits) -> Result<Arc<Probe>, LoadError> {
        let code = self.loader.load(component).await?;
        let description = self.describe(&code, limits).await?;
        Ok(Arc::new(Probe { code, limits, description }))
    }

    /// Runs one check in a fresh sandbox. Always gives a report, within the timeout and the time of the calls
    /// that the probe left for afterwards (5 s).
    pub async fn check(&self, probe: &Probe, check: Check) -> CheckReport {
        let Check { target, calls, grant, state, timeout, clock } = check;
        let Some(slots) = self.slots(&probe.code, timeout).await else {
            return CheckReport::without_run(no_slot(timeout));
        };
        let clock = CheckClock::start(clock, timeout);
        let connection = Connection { calls, grant, deadline: clock.deadline() };
        let sandbox = Sandbox::for_check(&self.engine, probe.limits, target, state, clock, connection);
        let Remains { ended, mut context, duration, cpu } = sandbox.run(&probe.code.pre).await;
        drop(slots);
        let outcome = outcome::judge(ended, &mut context, timeout);
        let spent = Spent { duration, cpu, memory_bytes_peak: context.limiter.peak_bytes() };
        let traces = Traces { log: context.log, state: context.state, calls: context.mcp.finish().await };
        CheckReport::new(outcome, spent, traces)
    }

    /// Makes a sandbox and throws it away: the part of a check that is the same for every probe of this size.
    /// For benchmarks; nothing else has a use for it.
    #[doc(hidden)]
    pub async fn instantiate(&self, probe: &Probe) -> bool {
        let slots = self.slots(&probe.code, DESCRIBE_TIMEOUT).await;
        let sandbox = Sandbox::for_describe(&self.engine, probe.limits, DESCRIBE_TIMEOUT);
        let Remains { ended, .. } = sandbox.instantiate(&probe.code.pre).await;
        slots.is_some() && matches!(ended, Ended::Returned(()))
    }

    async fn describe(&self, code: &Code, limits: Limits) -> Result<Description, LoadError> {
        let slots = self.slots(code, DESCRIBE_TIMEOUT).await;
        let slots = slots.ok_or_else(|| LoadError::from(no_slot(DESCRIBE_TIMEOUT)))?;
        let sandbox = Sandbox::for_describe(&self.engine, limits, DESCRIBE_TIMEOUT);
        let Remains { ended, context, .. } = sandbox.describe(&code.pre).await;
        drop(slots);
        match ended {
            Ended::Returned(json) => Description::parse(&json).map_err(LoadError::Description),
            Ended::Trapped(error) => Err(outcome::trapped(&error, &context).into()),
            Ended::OutOfTime => Err(outcome::too_slow(DESCRIBE_TIMEOUT).into()),
        }
    }

    /// An exhausted pool is an error and not a wait; so the wait is here, in front of it.
    async fn slots(&self, code: &Code, patience: Duration) -> Option<SemaphorePermit<'_>> {
        let wanted = code.slots.min(self.pool_size);
        if let Ok(slots) = self.slots.try_acquire_many(wanted) {
            return Some(slots);
        }
        tokio::time::timeout(patience, self.slots.acquire_many(wanted)).await.ok()?.ok()
    }
}

fn open_cache(path: PathBuf) -> Result<Cache, HostError> {
    let compiler = engine::compile_engine().map_err(|error| HostError::Engine(error.into()))?;
    Cache::open(path.clone(), &compiler).map_err(|source| HostError::Cache { path, source })
}

/// All slots were taken for as long as the check may last: mcpd is in trouble, not the server.
fn no_slot(patience: Duration) -> Outcome {
    let message =
        format!("no probe could be started for {}, too many checks run at once", text::duration(patience));
    Outcome::new(Verdict::Failure(FailureKind::Host), message, "pool")
}
