//! What a whole check costs: scheduled, run in a fresh sandbox through a live connection, folded, recorded.
//!
//! `cargo bench -p mcpd --bench check`. The server is a task in this process at the other end of a pipe in
//! memory, so that what is measured is mcpd and not a server.

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use mcpd::checks::{Checks, Probes};
use mcpd::clock::Clock;
use mcpd::metrics::Metrics;
use mcpd::state::{Board, Cell, Defaults, Desired, Ledger, Run};
use mcpd::store::sqlite::SqliteStore;
use mcpd::store::{Change, Expected, ServerDraft, ServerRow, Store};
use mcpd_core::check::{CheckRecord, Verdict};
use mcpd_core::instance::Instance;
use mcpd_core::secret::Redactor;
use mcpd_core::server::Revision;
use mcpd_mcp::{ConnectOptions, Connection};
use mcpd_probe::{HostConfig, Limits, ProbeHost};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio_util::sync::CancellationToken;

const MANIFEST: &str =
    r#"{"kind":"server","name":"bench","command":["none"],"healthCheck":{"tool":"whoami"}}"#;

/// Answers every request at once, with as little work as a server can do.
async fn serve(stream: DuplexStream) {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(id) = id_of(&line) else { continue };
        let result = if line.contains("\"initialize\"") {
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"b","version":"1"}}"#
        } else {
            r#"{"content":[{"type":"text","text":"me"}]}"#
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
    checks: Arc<Checks>,
    ledger: Ledger,
    cell: Arc<Cell>,
    end: CancellationToken,
    _folder: tempfile::TempDir,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark ends with its process")]
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
    tokio::spawn({
        let (ledger, end) = (ledger.clone(), end.clone());
        async move { ledger.write_until(end).await }
    });
    let host = ProbeHost::new(HostConfig::default()).expect("a host");
    let probes = Probes::load(host, Limits::default()).await.expect("the built-in probes");
    let checks = Arc::new(Checks::new(Arc::clone(&board), ledger.clone(), clock.clone(), metrics, probes));
    let desired = Desired::from_row(&row, &Defaults::default()).expect("a manifest");
    board.put_server(desired);
    let cell = connect(&clock).await;
    board.put_instance(&cell);
    checks.connected(&cell);
    Bench { checks, ledger, cell, end, _folder: folder }
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
        redactor: Redactor::default(),
        connection: Some(connection),
        hang_up: CancellationToken::new(),
    });
    cell
}

fn whole_check(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bench = runtime.block_on(prepare());
    criterion.bench_function("check/whole", |bencher| {
        bencher.to_async(&runtime).iter(|| async {
            let record: Arc<CheckRecord> = bench.checks.check_now(&bench.cell).await.expect("a check");
            assert_eq!(record.verdict, Verdict::Pass, "{record:?}");
        });
    });
    criterion.bench_function("check/host-call", |bencher| {
        let connection = bench.cell.connection().expect("connected");
        let params = serde_json::value::RawValue::from_string(r#"{"name":"whoami","arguments":{}}"#.into())
            .expect("JSON");
        bencher.to_async(&runtime).iter(|| async {
            let call = connection.request(
                mcpd_mcp::Caller::Check,
                "tools/call",
                Some(&params),
                Duration::from_secs(1),
            );
            call.await.expect("an answer")
        });
    });
    runtime.block_on(async {
        bench.ledger.flushed().await.expect("written");
        bench.end.cancel();
    });
}

criterion_group!(benches, whole_check);
criterion_main!(benches);
