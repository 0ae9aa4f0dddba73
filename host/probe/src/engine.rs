//! The two engines: one that runs for as long as the process, and short-lived ones that compile.
//!
//! wasmtime 48 keeps the compile contexts of everything an engine ever compiled, so the engine that lives long
//! has no compiler, and the one that compiles is dropped after each component.

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, WasmFeatures,
};

use crate::limits::MEMORY_BYTES_CEILING;

/// Kept in memory between checks: what a small guest touches is then not faulted in again. Measured: 44 µs
/// per check without, 24 µs with it.
const KEEP_RESIDENT_BYTES: usize = 256 * 1024;
/// Elements of one table; a Python guest has tens of thousands.
const TABLE_ELEMENTS: usize = 100_000;
/// Core instances of one component; a Python guest is linked from some 200.
pub(crate) const CORE_INSTANCES_PER_COMPONENT: u32 = 250;
/// Tables per slot of the pool: a guest has its own and one of its adapter.
pub(crate) const TABLES_PER_SLOT: u32 = 4;
/// Bookkeeping of one component and of one core instance; both are plain heap and far below this.
const INSTANCE_BYTES: usize = 4 * 1024 * 1024;

/// How the run engine allocates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    pub(crate) slots: u32,
    pub(crate) pagemap_scan: bool,
}

/// The engine that runs guests; without the address space for a pool it allocates on demand, which is slower.
pub(crate) fn run_engine(pool: Pool) -> Result<Engine> {
    let mut config = base_config();
    config.enable_compiler(false);
    config.allocation_strategy(pooling(pool));
    Engine::new(&config).or_else(|error| {
        tracing::warn!(
            "no address space for a pool of {} probes, allocating on demand: {error:#}",
            pool.slots
        );
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Engine::new(&config)
    })
}

/// An engine that compiles one component and is dropped.
pub(crate) fn compile_engine() -> Result<Engine> {
    Engine::new(&base_config())
}

/// What both engines must agree on, for the one loads what the other compiled.
fn base_config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.concurrency_support(false);
    config.wasm_features(WasmFeatures::THREADS | WasmFeatures::GC | WasmFeatures::EXCEPTIONS, false);
    config.wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable);
    config
}

fn pooling(pool: Pool) -> PoolingAllocationConfig {
    let mut config = PoolingAllocationConfig::new();
    config
        .total_component_instances(pool.slots)
        .total_stacks(pool.slots)
        .total_memories(pool.slots)
        .total_tables(pool.slots.saturating_mul(TABLES_PER_SLOT))
        .total_core_instances(pool.slots.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_memory_size(MEMORY_BYTES_CEILING)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES)
        .pagemap_scan(if pool.pagemap_scan { Enabled::Auto } else { Enabled::No });
    config
}
