//! What a call through mcpd costs, beside the bare pipe to the same server.
//!
//! `cargo bench -p mcpd --bench relay`. The server is `mcpd demo-server` in a process of its own, and every call is
//! a `tools/call` of its `echo`. From the inside out: the pipe alone, the live connection over it, the HTTP API of
//! a whole daemon, and `mcpctl call` with its own start (once `cargo build --release -p mcpctl` has been run). Then the
//! connection and the HTTP API again, with the server in a container, where an engine answers.
//! After the averages come the percentiles of the HTTP API, for means hide what the slowest call waits for.

mod container;
mod daemon;
mod http;
mod percentiles;
mod pipe;

use std::io;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use tokio::runtime::Runtime;

use crate::container::Dock;
use crate::daemon::Daemon;

/// The tool call that all ways carry.
const PARAMS: &str = r#"{"name":"echo","arguments":{"text":"hello"}}"#;
/// Callers at once, where there are many.
const CALLERS: usize = 16;
/// Starts of `mcpctl` that are timed; one takes milliseconds.
const STARTS: usize = 20;

fn main() -> io::Result<()> {
    let runtime = Runtime::new()?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("relay");
    pipes(&mut group, &runtime);
    let daemon = Daemon::start(daemon::PROCESS, "none")?;
    through_http(&mut group, &runtime, &daemon, "http");
    let contained = through_container(&mut group, &runtime)?;
    through_mcpctl(&mut group, &daemon);
    group.finish();
    criterion.final_summary();
    if std::env::args().any(|argument| argument == "--bench") {
        percentiles::print(&runtime, &daemon, "http");
        if let Some((daemon, _dock)) = &contained {
            percentiles::print(&runtime, daemon, "container-http");
        }
    }
    Ok(())
}

fn pipes(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime) {
    group.throughput(Throughput::Elements(1));
    group.bench_function("bare-pipe", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(pipe::bare(1, count)));
    });
    let connection = runtime.block_on(pipe::connect());
    group.bench_function("connection", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(pipe::calls(&connection, 1, count)));
    });
    group.throughput(Throughput::Elements(CALLERS as u64));
    group.bench_function("bare-pipe-16", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(pipe::bare(CALLERS, count)));
    });
    group.bench_function("connection-16", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(pipe::calls(&connection, CALLERS, count)));
    });
}

fn through_http(group: &mut BenchmarkGroup<'_, WallTime>, runtime: &Runtime, daemon: &Daemon, way: &str) {
    for (name, callers) in [(way.to_owned(), 1), (format!("{way}-16"), CALLERS)] {
        group.throughput(Throughput::Elements(callers as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| runtime.block_on(http::calls(daemon, callers, count)));
        });
    }
}

/// The daemon with its server in a container, where an engine answers. It is to be dropped before what it runs in.
#[expect(clippy::print_stderr, reason = "a benchmark talks to who runs it")]
fn through_container(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
) -> io::Result<Option<(Daemon, Dock)>> {
    let dock = match Dock::new() {
        Ok(dock) => dock,
        Err(error) => {
            eprintln!("relay/container is left out: no container engine: {error}");
            return Ok(None);
        }
    };
    let (connection, kept) = runtime.block_on(dock.connect());
    for (name, callers) in [("container", 1), ("container-16", CALLERS)] {
        group.throughput(Throughput::Elements(callers as u64));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| runtime.block_on(pipe::calls(&connection, callers, count)));
        });
    }
    drop((connection, kept));
    let daemon = Daemon::start(&dock.manifest(), dock.network())?;
    through_http(group, runtime, &daemon, "container-http");
    Ok(Some((daemon, dock)))
}

#[expect(clippy::print_stderr, reason = "a benchmark talks to who runs it")]
fn through_mcpctl(group: &mut BenchmarkGroup<'_, WallTime>, daemon: &Daemon) {
    let Some(program) = daemon::mcpctl() else {
        eprintln!("relay/mcpctl is left out: mcpctl is not built (cargo build --release -p mcpctl)");
        return;
    };
    group.throughput(Throughput::Elements(1)).sample_size(STARTS);
    group.bench_function("mcpctl", |bencher| bencher.iter(|| daemon.call_by(&program)));
}
