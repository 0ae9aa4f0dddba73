//! What a check costs beside the server's own work, split up; and compiling against loading compiled code.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use mcpd_core::check::Verdict;
use mcpd_probe::builtin::TOOL_CALL;
use mcpd_probe::{CallError, Calls, Check, Clock, Grant, HostConfig, Probe, ProbeHost, Target};
use serde_json::value::RawValue;
use tokio::runtime::{Builder, Runtime};

/// An answer of the size real tools give.
const ANSWER: &str = r#"{"content":[{"type":"text","text":"{\"id\":1,\"login\":\"demo\",\"email\":\"demo@example.com\"}"}],"isError":false}"#;

/// A connection in this process that answers at once: what is left is the engine.
struct InProcess;

#[async_trait]
impl Calls for InProcess {
    async fn request(
        &self,
        _: &str,
        params: Option<Box<RawValue>>,
        _: Duration,
    ) -> Result<String, CallError> {
        black_box(params);
        Ok(ANSWER.to_owned())
    }
}

fn checks(criterion: &mut Criterion) {
    let runtime = runtime();
    let (host, probe) = loaded(&runtime, None);
    let with_tool = check(Some("get_me"));
    let without_call = check(None);
    runtime.block_on(async {
        assert_eq!(host.check(&probe, with_tool.clone()).await.verdict, Verdict::Pass);
        assert_eq!(host.check(&probe, without_call.clone()).await.verdict, Verdict::Unknown);
    });
    let mut group = criterion.benchmark_group("check");
    group.bench_function("instantiate", |bencher| {
        bencher.to_async(&runtime).iter(|| host.instantiate(&probe));
    });
    group.bench_function("instantiate, call without an MCP call", |bencher| {
        bencher.to_async(&runtime).iter(|| host.check(&probe, without_call.clone()));
    });
    group.bench_function("instantiate, call with one MCP call (whole)", |bencher| {
        bencher.to_async(&runtime).iter(|| host.check(&probe, with_tool.clone()));
    });
    group.finish();
}

fn pagemap(criterion: &mut Criterion) {
    let runtime = runtime();
    let config = HostConfig { pagemap_scan: true, ..HostConfig::default() };
    let host = ProbeHost::new(config).expect("a host");
    let probe = load(&runtime, &host);
    let check = check(Some("get_me"));
    criterion.bench_function("check/whole, with PAGEMAP_SCAN", |bencher| {
        bencher.to_async(&runtime).iter(|| host.check(&probe, check.clone()));
    });
}

fn loads(criterion: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("load");
    group.sample_size(20);
    let (compiling, probe) = loaded(&runtime, None);
    drop(probe);
    group.bench_function("compile", |bencher| bencher.iter(|| load(&runtime, &compiling)));
    let (caching, probe) = loaded(&runtime, Some(folder.path().to_owned()));
    drop(probe);
    group.bench_function("compiled code from disk", |bencher| bencher.iter(|| load(&runtime, &caching)));
    group.finish();
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime")
}

fn loaded(runtime: &Runtime, cache_dir: Option<PathBuf>) -> (Arc<ProbeHost>, Arc<Probe>) {
    let host = ProbeHost::new(HostConfig { cache_dir, ..HostConfig::default() }).expect("a host");
    let probe = load(runtime, &host);
    (host, probe)
}

fn load(runtime: &Runtime, host: &ProbeHost) -> Arc<Probe> {
    runtime
        .block_on(host.load(Bytes::from_static(TOOL_CALL.component), TOOL_CALL.limits()))
        .expect("the built-in probe")
}

fn check(tool: Option<&str>) -> Check {
    Check {
        target: Arc::new(Target { tool: tool.map(str::to_owned), ..Target::default() }),
        calls: Arc::new(InProcess),
        grant: Arc::new(Grant::new(tool, Vec::<String>::new(), [])),
        state: Arc::default(),
        timeout: Duration::from_secs(10),
        clock: Clock::Real,
    }
}

criterion_group!(benches, checks, pagemap, loads);
criterion_main!(benches);
