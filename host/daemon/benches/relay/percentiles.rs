//! How the times of single calls are spread: half of them, and all but the slowest hundredth.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::CALLERS;
use crate::daemon::Daemon;
use crate::http::Client;

/// How long calls are made for.
const SPAN: Duration = Duration::from_secs(5);
/// Below this many of them a hundredth says nothing.
const CALLS_MIN: usize = 1000;

/// Prints calls per second and percentiles of the HTTP API, for one caller and for many; `way` names the server's.
#[expect(clippy::print_stdout, reason = "a benchmark prints what it found")]
pub(crate) fn print(runtime: &Runtime, daemon: &Daemon, way: &str) {
    for callers in [1, CALLERS] {
        let mut times = runtime.block_on(measure(daemon, callers));
        assert!(times.len() > CALLS_MIN, "only {} calls in {SPAN:?}", times.len());
        times.sort_unstable();
        let rate = times.len() as u64 / SPAN.as_secs();
        let (half, most) = (times[times.len() / 2], times[times.len() / 100 * 99]);
        println!("relay/{way}, {callers} callers: {rate}/s, p50 {half:?}, p99 {most:?}");
    }
}

async fn measure(daemon: &Daemon, callers: usize) -> Vec<Duration> {
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let client = Client::connect(daemon).await.expect("connected");
        tasks.spawn(repeat(client, Instant::now() + SPAN));
    }
    tasks.join_all().await.concat()
}

async fn repeat(mut client: Client, end: Instant) -> Vec<Duration> {
    let mut times = Vec::new();
    loop {
        let began = Instant::now();
        if began >= end {
            return times;
        }
        client.call().await.expect("an answer");
        times.push(began.elapsed());
    }
}
