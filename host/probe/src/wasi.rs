//! WASI that grants nothing. Toolchains link it whether a probe needs it or not, so it is there: no
//! arguments, environment, files, sockets or names; output goes to the check's log; made at its first use.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use mcpd_core::check::LogLevel;
use tokio::io::AsyncWrite;
use tokio::time::Instant;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, ResourceTable, WasiCtx, WasiCtxBuilder, WasiCtxView,
    WasiView,
};

use crate::context::CheckContext;
use crate::log::Log;

/// Handles a guest may hold at once.
const HANDLES_MAX: usize = 1_000;
/// Output kept of a guest; more than the log takes, so that the log says what it dropped.
const OUTPUT_BYTES_MAX: usize = 80 * 1024;
/// What a guest may write at once.
const WRITE_BYTES_MAX: usize = 64 * 1024;
/// Random bytes at once.
const RANDOM_BYTES_MAX: u64 = 64 * 1024;

/// The WASI side of one check; most probes never touch it, and making it costs more than their check.
#[derive(Default)]
pub(crate) struct Wasi(Option<Box<Granted>>);

struct Granted {
    context: WasiCtx,
    table: ResourceTable,
    output: Output,
}

impl Wasi {
    /// Moves what the guest printed into the log.
    pub(crate) fn drain_into(&self, log: &mut Log) {
        let Some(granted) = &self.0 else { return };
        let bytes = granted.output.0.lock().unwrap_or_else(PoisonError::into_inner);
        for line in String::from_utf8_lossy(&bytes).lines() {
            log.line(LogLevel::Info, line);
        }
    }
}

impl WasiView for CheckContext {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { wasi, clock, .. } = self;
        let granted = wasi.0.get_or_insert_with(|| Box::new(nothing(clock)));
        WasiCtxView { ctx: &mut granted.context, table: &mut granted.table }
    }
}

fn nothing(clock: &mut crate::clock::CheckClock) -> Granted {
    let output = Output::default();
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdout(output.clone())
        .stderr(output.clone())
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(RANDOM_BYTES_MAX)
        .wall_clock(Wall { offset: clock.unix().saturating_sub(clock.elapsed()), started: clock.started() })
        .monotonic_clock(Monotonic { started: clock.started() });
    if clock.is_virtual() {
        builder
            .secure_random(Deterministic::new(clock.random().to_le_bytes().to_vec()))
            .insecure_random(Deterministic::new(clock.random().to_le_bytes().to_vec()))
            .insecure_random_seed(clock.random().into());
    }
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES_MAX);
    Granted { context: builder.build(), table, output }
}

struct Wall {
    offset: Duration,
    started: Instant,
}

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        self.offset + self.started.elapsed()
    }
}

struct Monotonic {
    started: Instant,
}

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Takes all a guest prints and keeps the beginning; wasmtime's own pipe traps the guest when it is full.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = OUTPUT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.keep(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.keep(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
