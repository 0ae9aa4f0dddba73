//! What it costs to write down what became of instances. `cargo bench -p mcpd --bench store`.
//!
//! Nothing on the way of a check or a call waits for these; a start attempt does.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use mcpd::clock::Clock;
use mcpd::store::sqlite::SqliteStore;
use mcpd::store::{Change, Expected, InstanceRow, ServerDraft, Store};
use mcpd_core::check::{CheckRecord, Verdict};
use mcpd_core::instance::Instance;
use mcpd_core::server::Revision;
use tokio::runtime::Runtime;

/// A fleet that is written together, as the ledger does it.
const FLEET: usize = 100;

async fn open(folder: &tempfile::TempDir, now: Timestamp) -> SqliteStore {
    let store = SqliteStore::open(&folder.path().join("mcpd.db")).await.expect("a store");
    let manifest = r#"{"kind":"server","name":"bench","command":["none"]}"#.into();
    let draft = ServerDraft { name: "bench".into(), manifest, applied: false };
    store.write(&[Change::PutServer(draft, Expected::Any)], now).await.expect("a server");
    store
}

fn row(number: usize, now: Timestamp) -> InstanceRow {
    let id = format!("i{number:05}").as_str().into();
    let instance = Instance::new(id, "bench".into(), Revision::default(), now);
    let instance = instance.secrets_resolved(now).started(now).connected("2025-11-25".into(), now);
    InstanceRow { instance, handle: None, pid: Some(1), container_id: None, image: None, port: None }
}

fn record(now: Timestamp) -> CheckRecord {
    CheckRecord {
        at: now,
        duration: Duration::from_micros(20),
        verdict: Verdict::Pass,
        message: "ok".into(),
        reason: String::new(),
        details: None,
        probe: "tool-call".into(),
        digest: "0".repeat(64),
        logs: Vec::new(),
        measures: Vec::new(),
        calls: Vec::new(),
        manual: false,
        ended_by_host: false,
    }
}

fn writes(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let now = Clock::system().now();
    let store = runtime.block_on(open(&folder, now));
    let rows: Vec<_> = (0..FLEET).map(|number| row(number, now)).collect();
    let checks: Vec<_> = rows.iter().map(|row| (row.instance.id.clone(), record(now))).collect();
    let mut group = criterion.benchmark_group("store");
    for count in [1, FLEET] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("upsert of instances/{count}"), |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                store.put_instances(&rows[..count]).await.expect("written");
            });
        });
        group.bench_function(format!("append of checks/{count}"), |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                store.append_checks(&checks[..count]).await.expect("written");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, writes);
criterion_main!(benches);
