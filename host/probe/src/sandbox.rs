//! The sandbox of one run of a guest as one value: made fresh, run under both clocks, thrown away.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use wasmtime::{Engine, Result, Store};

use crate::clock::{CheckClock, Clock};
use crate::context::{CheckContext, CpuBudget};
use crate::contract::types::Failure;
use crate::contract::{ProbePre, Verdict};
use crate::limiter::Limiter;
use crate::limits::Limits;
use crate::log::Log;
use crate::mcp::{Connection, Mcp};
use crate::meter::Metered;
use crate::outcome::Ended;
use crate::state::{CheckState, State};
use crate::target::Target;
use crate::wasi::Wasi;

/// What one guest's run may do in the component model beyond its memory: bytes that cross the boundary at once.
const HOST_CALL_FUEL: usize = 4 * 1024 * 1024;

/// A guest about to run, in a store of its own.
pub(crate) struct Sandbox {
    store: Store<CheckContext>,
    deadline: Instant,
}

/// What is left of a sandbox when it is gone.
pub(crate) struct Remains<T> {
    pub(crate) ended: Ended<T>,
    pub(crate) context: CheckContext,
    pub(crate) duration: Duration,
    pub(crate) cpu: Duration,
}

impl Sandbox {
    /// A sandbox for one check.
    pub(crate) fn for_check(
        engine: &Engine,
        limits: Limits,
        target: Arc<Target>,
        state: Arc<State>,
        clock: CheckClock,
        connection: Connection,
    ) -> Self {
        Self::new(engine, context(limits, target, state, clock, Some(connection)))
    }

    /// A sandbox without a server, for `describe`.
    pub(crate) fn for_describe(engine: &Engine, limits: Limits, timeout: Duration) -> Self {
        let clock = CheckClock::start(Clock::Real, timeout);
        Self::new(engine, context(limits, Arc::default(), Arc::default(), clock, None))
    }

    fn new(engine: &Engine, context: CheckContext) -> Self {
        let deadline = context.clock.deadline();
        let mut store = Store::new(engine, context);
        store.limiter(|context| &mut context.limiter);
        store.set_hostcall_fuel(HOST_CALL_FUEL);
        store.epoch_deadline_callback(|mut store| store.data_mut().cpu.tick());
        // Before instantiation: a guest's start function computes too.
        store.set_epoch_deadline(1);
        Self { store, deadline }
    }

    /// Runs one check.
    pub(crate) async fn run(mut self, probe: &ProbePre<CheckContext>) -> Remains<Result<Verdict, Failure>> {
        let store = &mut self.store;
        let work = async move {
            let probe = probe.instantiate_async(&mut *store).await?;
            probe.mcpd_probe_check().call_run(store).await
        };
        let (ended, cpu) = within(self.deadline, work).await;
        self.remains(ended, cpu)
    }

    /// Asks a probe what it is.
    pub(crate) async fn describe(mut self, probe: &ProbePre<CheckContext>) -> Remains<String> {
        let store = &mut self.store;
        let work = async move {
            let probe = probe.instantiate_async(&mut *store).await?;
            probe.mcpd_probe_check().call_describe(store).await
        };
        let (ended, cpu) = within(self.deadline, work).await;
        self.remains(ended, cpu)
    }

    /// Makes an instance and no more.
    pub(crate) async fn instantiate(mut self, probe: &ProbePre<CheckContext>) -> Remains<()> {
        let store = &mut self.store;
        let work = async move { probe.instantiate_async(store).await.map(drop) };
        let (ended, cpu) = within(self.deadline, work).await;
        self.remains(ended, cpu)
    }

    fn remains<T>(self, ended: Ended<T>, cpu: Duration) -> Remains<T> {
        let duration = self.store.data().clock.elapsed();
        let mut context = self.store.into_data();
        context.wasi.drain_into(&mut context.log);
        Remains { ended, context, duration, cpu }
    }
}

/// All of a check before it has begun.
pub(crate) fn context(
    limits: Limits,
    target: Arc<Target>,
    state: Arc<State>,
    clock: CheckClock,
    connection: Option<Connection>,
) -> CheckContext {
    CheckContext {
        target,
        is_check: connection.is_some(),
        mcp: Mcp::new(connection, limits),
        state: CheckState::new(state),
        log: Log::default(),
        clock,
        limiter: Limiter::new(limits.memory_bytes()),
        cpu: CpuBudget::new(&limits),
        wasi: Wasi::default(),
    }
}

/// Both clocks: the timeout ends a call that waits, the epochs inside end a guest that spins.
async fn within<T>(deadline: Instant, work: impl Future<Output = Result<T>>) -> (Ended<T>, Duration) {
    let (ended, cpu) = Metered::new(pin!(timeout_at(deadline, work))).await;
    let ended = match ended {
        Ok(Ok(value)) => Ended::Returned(value),
        Ok(Err(error)) => Ended::Trapped(error),
        Err(_) => Ended::OutOfTime,
    };
    (ended, cpu)
}
