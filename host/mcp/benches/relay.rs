//! What a call through a [`Connection`] costs, beside the bare pipe it runs over.
//!
//! The server is this very program, started again with [`SERVE`]: it finds the id in each line and
//! answers, as little work as a server can do.

use std::io::{self, BufRead, Write};
use std::process::Stdio;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use mcpd_mcp::{Answer, Caller, ConnectOptions, Connection};
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

const SERVE: &str = "--serve";
const PARAMS: &str = r#"{"name":"echo","arguments":{"text":"hello"}}"#;
const DEADLINE: Duration = Duration::from_secs(10);
const CALLERS: u64 = 16;
const LARGE_BYTES: usize = 1 << 20;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip_while(|argument| argument != SERVE).skip(1);
    if let Some(bytes) = arguments.next() {
        return serve(bytes.parse().unwrap_or(0));
    }
    let mut criterion = Criterion::default().configure_from_args();
    benchmarks(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Answers each request with a text of that length.
fn serve(bytes: usize) -> io::Result<()> {
    let text = "x".repeat(bytes);
    let mut stdout = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some((_, rest)) = line.split_once("\"id\":") else { continue };
        let id = rest.split([',', '}']).next().unwrap_or_default();
        let answer = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"protocolVersion\":\"2025-11-25\",\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}}}\n"
        );
        stdout.write_all(answer.as_bytes())?;
        stdout.flush()?;
    }
    Ok(())
}

fn benchmarks(criterion: &mut Criterion) -> io::Result<()> {
    let runtime = Runtime::new()?;
    let mut group = criterion.benchmark_group("relay");
    let small = runtime.block_on(connect(5));
    group.bench_function("bare pipe, 1 caller", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(on_a_worker(bare(count))));
    });
    group.bench_function("connection, 1 caller", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(on_a_worker(calls(small.clone(), count))));
    });
    group.throughput(Throughput::Elements(CALLERS));
    group.bench_function("connection, 16 callers", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(callers(&small, count)));
    });
    let large = runtime.block_on(connect(LARGE_BYTES));
    group.throughput(Throughput::Bytes(LARGE_BYTES as u64));
    group.bench_function("connection, answers of 1 MiB", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(on_a_worker(calls(large.clone(), count))));
    });
    group.throughput(Throughput::Elements(1));
    let in_process = runtime.block_on(connect_in_process());
    group.bench_function("connection over memory, 1 caller", |bencher| {
        bencher.iter_custom(|count| runtime.block_on(on_a_worker(calls(in_process.0.clone(), count))));
    });
    group.finish();
    Ok(())
}

/// Runs where the daemon's calls run: on a worker and not on the thread that blocks.
async fn on_a_worker(work: impl Future<Output = Duration> + Send + 'static) -> Duration {
    let mut tasks = JoinSet::new();
    tasks.spawn(work);
    tasks.join_next().await.expect("one task").expect("no panic")
}

/// One request and its answer after the other, without anything in between.
async fn bare(count: u64) -> Duration {
    let (_child, mut stdin, stdout) = child(5);
    let mut stdout = BufReader::new(stdout);
    let request = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"id\":1,\"params\":{PARAMS}}}\n");
    let mut line = Vec::new();
    let began = Instant::now();
    for _ in 0..count {
        stdin.write_all(request.as_bytes()).await.expect("writable");
        line.clear();
        stdout.read_until(b'\n', &mut line).await.expect("readable");
    }
    began.elapsed()
}

async fn calls(connection: Connection, count: u64) -> Duration {
    let params = RawValue::from_string(PARAMS.to_owned()).expect("JSON");
    let began = Instant::now();
    for _ in 0..count {
        let answer = connection.request(Caller::Client, "tools/call", Some(&params), DEADLINE).await;
        assert!(matches!(answer, Ok(Answer::Result(_))));
    }
    began.elapsed()
}

/// `count` rounds of one call by each of the callers.
async fn callers(connection: &Connection, count: u64) -> Duration {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CALLERS {
        tasks.spawn(calls(connection.clone(), count));
    }
    while tasks.join_next().await.is_some() {}
    began.elapsed()
}

async fn connect(bytes: usize) -> Connection {
    let (mut child, stdin, stdout) = child(bytes);
    let connection =
        Connection::open(stdout, stdin, ConnectOptions::new("bench", 1)).await.expect("connected");
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { child.wait().await });
    tasks.detach_all();
    connection
}

/// The server is a task here, so what is left is the connection itself.
async fn connect_in_process() -> (Connection, JoinSet<()>) {
    let (stdout, mut their_stdout) = tokio::io::duplex(64 << 10);
    let (stdin, their_stdin) = tokio::io::duplex(64 << 10);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut lines = BufReader::new(their_stdin).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Some((_, rest)) = line.split_once("\"id\":") else { continue };
            let id = rest.split([',', '}']).next().unwrap_or_default();
            let answer = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"protocolVersion\":\"2025-11-25\"}}}}\n"
            );
            their_stdout.write_all(answer.as_bytes()).await.expect("writable");
        }
    });
    let connection = Connection::open(stdout, stdin, ConnectOptions::new("bench", 1)).await;
    (connection.expect("connected"), tasks)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark over a real pipe needs a process behind it")]
fn child(bytes: usize) -> (Child, ChildStdin, ChildStdout) {
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args([SERVE, &bytes.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    (child, stdin.expect("piped"), stdout.expect("piped"))
}
