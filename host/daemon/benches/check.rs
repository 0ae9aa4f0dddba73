//! What a whole check costs, and its parts: the sandbox, the guest's call, the call through the live connection,
//! and the bookkeeping around them.
//!
//! `cargo bench -p mcpd --bench check`. The server is a task in this process at the other end of a pipe in
//! memory, so that what is measured is mcpd and not a server. All runs on one thread, the writing to the store
//! too: what a check costs is in its figure, wherever it is done.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use mcpd::checks::{Checks, Probes};
use mcpd::clock::Clock;
use mcpd::metrics::Metrics;
use mcpd::state::{Board, Cell, Defaults, Desired, Ledger, Run};
use mcpd::store::sqlite::SqliteStore;
use mcpd::store::{Change, Expected, ServerDraft, ServerRow, Store};
use mcpd_core::check::Verdict;
use mcpd_core::instance::Instance;
use mcpd_core::secret::Redactor;
use mcpd_core::server::Revision;
use mcpd_mcp::{Caller, ConnectOptions, Connection};
use mcpd_probe::builtin::TOOL_CALL;
use mcpd_probe::{CallError, Calls, Check, CheckReport, Grant, HostConfig, Limits, ProbeHost, Target};
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

const MANIFEST: &str =
    r#"{"kind":"server","name":"bench","command":["none"],"healthCheck":{"tool":"whoami"}}"#;

const RESULT: &str = r#"{"content":[{"type":"text","text":"me"}]}"#;

/// Answers every request at once, with as little work as a server can do.
async fn serve(stream: DuplexStream) {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(id) = id_of(&line) else { continue };
        let result = if line.contains("\"initialize\"") {
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"b","version":"1"}}"#
        } else {
            RESULT
        };
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}\n");
        if write.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn id_of(line: &str) -> Option<&str> {
    let rest = &line[line.find("\"id\":")? + 5..];
    rest.split([',', '}']).next()
}

struct Bench {
    board: Arc<Board>,
    checks: Arc<Checks>,
    ledger: Ledger,
    cell: Arc<Cell>,
    end: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// From now on what is noted is written down.
    fn write(&self, runtime: &Runtime) {
        let (ledger, end) = (self.ledger.clone(), self.end.clone());
        runtime.spawn(async move { ledger.write_until(end).await });
    }

    /// From now on what is due is checked.
    fn schedule(&self, runtime: &Runtime) {
        runtime.spawn(Arc::clone(&self.checks).run_until(self.end.clone()));
    }
}

async fn prepare() -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::system();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&folder.path().join("mcpd.db")).await.expect("a store"));
    let draft = ServerDraft { name: "bench".into(), manifest: MANIFEST.into(), applied: false };
    store.write(&[Change::PutServer(draft, Expected::Any)], clock.now()).await.expect("a server");
    let row: ServerRow = store.find_server(&"bench".into()).await.expect("a store").expect("a server");
    let (board, metrics) = (Arc::new(Board::default()), Arc::new(Metrics::default()));
    let ledger = Ledger::new(Arc::clone(&store));
    let end = CancellationToken::new();
    let host = ProbeHost::new(HostConfig::default()).expect("a host");
    let probes = Probes::load(host, Limits::default()).await.expect("the built-in probes");
    let checks = Checks::new(Arc::clone(&board), ledger.clone(), clock.clone(), metrics, probes, store);
    let checks = Arc::new(checks);
    let desired = Desired::from_row(&row, &Defaults::default()).expect("a manifest");
    board.put_server(desired);
    let cell = connect(&clock).await;
    board.put_instance(&cell);
    checks.connected(&cell);
    Bench { board, checks, ledger, cell, end, _folder: folder }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark ends with its process")]
async fn connect(clock: &Clock) -> Arc<Cell> {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(serve(theirs));
    let (read, write) = tokio::io::split(ours);
    let connection = Connection::open(read, write, ConnectOptions::new("bench", 1)).await.expect("connected");
    let now: Timestamp = clock.now();
    let instance = Instance::new("abc123".into(), "bench".into(), Revision::default(), now);
    let instance = instance.secrets_resolved(now).started(now).connected("2025-11-25".into(), now);
    let cell = Cell::new(instance, now);
    cell.set_run(Run {
        number: 1,
        handle: None,
        pid: None,
        container_id: None,
        image: None,
        port: None,
        redactor: Redactor::default(),
        connection: Some(connection),
        hang_up: CancellationToken::new(),
        greeting: None,
        has_answered: true,
    });
    cell
}

/// An answer without a connection: what is left of a check is the engine.
struct AtOnce;

#[async_trait]
impl Calls for AtOnce {
    async fn request(
        &self,
        _: &str,
        params: Option<Box<RawValue>>,
        _: Duration,
    ) -> Result<String, CallError> {
        black_box(params);
        Ok(RESULT.to_owned())
    }
}

fn engine(criterion: &mut Criterion) {
    let runtime = runtime();
    let (host, probe) = runtime.block_on(async {
        let host = ProbeHost::new(HostConfig::default()).expect("a host");
        let load = host.load(Bytes::from_static(TOOL_CALL.component), TOOL_CALL.limits()).await;
        (Arc::clone(&host), load.expect("the built-in probe"))
    });
    let check = check();
    criterion.bench_function("check/instantiate", |bencher| {
        bencher.to_async(&runtime).iter(|| host.instantiate(&probe));
    });
    criterion.bench_function("check/engine", |bencher| {
        bencher.to_async(&runtime).iter(|| host.check(&probe, check.clone()));
    });
}

fn check() -> Check {
    Check {
        target: Arc::new(Target { tool: Some("whoami".into()), ..Target::default() }),
        calls: Arc::new(AtOnce),
        grant: Arc::new(Grant::new(Some("whoami"), Vec::<String>::new(), [])),
        state: Arc::default(),
        timeout: Duration::from_secs(10),
        clock: mcpd_probe::Clock::Real,
    }
}

fn connection(criterion: &mut Criterion) {
    let runtime = runtime();
    let bench = runtime.block_on(prepare());
    let connection = bench.cell.connection().expect("connected");
    let params = r#"{"name":"whoami","arguments":{}}"#.to_owned();
    let params = RawValue::from_string(params).expect("JSON");
    criterion.bench_function("check/host-call", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let deadline = Duration::from_secs(1);
            let call = connection.request(Caller::Check, "tools/call", Some(&params), deadline);
            call.await.expect("an answer")
        });
    });
}

fn daemon(criterion: &mut Criterion) {
    let runtime = runtime();
    let bench = runtime.block_on(prepare());
    let report = runtime.block_on(report());
    criterion.bench_function("check/bookkeeping", |bencher| {
        bencher.iter_batched(
            || report.clone(),
            |report| bench.checks.book(&bench.cell, report).expect("a record"),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("check/whole, not written", |bencher| {
        bencher.to_async(&runtime).iter(|| whole(&bench));
    });
    bench.write(&runtime);
    criterion.bench_function("check/whole", |bencher| {
        bencher.to_async(&runtime).iter(|| whole(&bench));
    });
    bench.schedule(&runtime);
    criterion.bench_function("check/scheduled", |bencher| {
        bencher.to_async(&runtime).iter(|| scheduled(&bench));
    });
    runtime.block_on(async {
        bench.ledger.flushed().await.expect("written");
        bench.end.cancel();
    });
}

async fn whole(bench: &Bench) {
    let record = bench.checks.check_now(&bench.cell).await.expect("a check");
    assert_eq!(record.verdict, Verdict::Pass, "{record:?}");
}

/// From being due to the word of its result. What is told to the probe is built anew each time, as it is for
/// the first check of a connection: more than later ones cost.
async fn scheduled(bench: &Bench) {
    let mut changes = bench.board.watch();
    bench.checks.connected(&bench.cell);
    changes.recv().await.expect("a change");
}

async fn report() -> CheckReport {
    let host = ProbeHost::new(HostConfig::default()).expect("a host");
    let load = host.load(Bytes::from_static(TOOL_CALL.component), TOOL_CALL.limits()).await;
    host.check(&load.expect("the built-in probe"), check()).await
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

criterion_group!(benches, engine, connection, daemon);
criterion_main!(benches);
