//! Guests that do what they should not. After each of them the next honest check passes, and on time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mcpd_core::check::{FailureKind, Inconclusive, Verdict};
use mcpd_probe::{CheckReport, Limits, LoadError, Probe, ProbeHost, Target, WorldError, builtin};

use crate::support::{Reply, Server, host, load, run, target};

const RUN: &[u8] = include_bytes!("../../../../probes/dist/hostile/run.wasm");
const DESCRIBE: &[u8] = include_bytes!("../../../../probes/dist/hostile/describe.wasm");
const START: &[u8] = include_bytes!("../../../../probes/dist/hostile/start.wasm");
const WASI: &[u8] = include_bytes!("../../../../probes/dist/hostile/wasi.wasm");
const OTHER_WORLD: &[u8] = include_bytes!("../../../../probes/dist/hostile/other-world.wasm");

/// An honest check takes microseconds; more than this would be a host that suffers.
const ON_TIME: Duration = Duration::from_secs(2);

fn limits() -> Limits {
    Limits::default().with_cpu(Duration::from_millis(100)).with_memory_bytes(64 << 20)
}

fn behaving(behaviour: &str) -> Target {
    Target { config: format!(r#"{{"{behaviour}"}}"#), ..target() }
}

struct Case {
    host: Arc<ProbeHost>,
    hostile: Arc<Probe>,
    honest: Arc<Probe>,
}

impl Case {
    async fn of(component: &'static [u8]) -> Self {
        let host = host();
        let hostile = load(&host, component, limits()).await;
        let honest = load(&host, builtin::TOOL_CALL.component, Limits::default()).await;
        Self { host, hostile, honest }
    }

    async fn run(&self, behaviour: &str, server: &Arc<Server>) -> CheckReport {
        let report = run(&self.host, &self.hostile, server, behaving(behaviour)).await;
        let honest = run(&self.host, &self.honest, &Server::kind(), target()).await;
        assert_eq!(honest.verdict, Verdict::Pass, "after {behaviour}");
        assert!(honest.duration < ON_TIME, "after {behaviour}: {:?}", honest.duration);
        report
    }
}

async fn outcome(behaviour: &str) -> CheckReport {
    Case::of(RUN).await.run(behaviour, &Server::kind()).await
}

async fn cause(behaviour: &str) -> Inconclusive {
    match outcome(behaviour).await.verdict {
        Verdict::Inconclusive(cause) => cause,
        other => panic!("{behaviour} ended as {other:?}"),
    }
}

#[tokio::test]
async fn a_guest_that_spins_is_ended_by_its_cpu_limit() {
    let report = outcome("spin").await;
    assert_eq!(report.verdict, Verdict::Inconclusive(Inconclusive::CpuLimit));
    assert_eq!(report.message, "the probe computed for 100ms, its limit");
    assert!(report.cpu >= Duration::from_millis(80), "{:?}", report.cpu);
}

#[tokio::test]
async fn a_guest_that_spins_lets_others_have_the_thread() {
    let case = Case::of(RUN).await;
    let server = Server::kind();
    let honest = async {
        tokio::task::yield_now().await;
        run(&case.host, &case.honest, &Server::kind(), target()).await
    };
    let (hostile, honest) = tokio::join!(run(&case.host, &case.hostile, &server, behaving("spin")), honest);
    assert_eq!(honest.verdict, Verdict::Pass);
    assert!(honest.duration < hostile.duration);
}

#[tokio::test]
async fn flooding_cheap_host_calls_is_computing() {
    assert_eq!(cause("flood-target").await, Inconclusive::CpuLimit);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_sleeps_for_ever_is_slow_itself() {
    let report = outcome("sleep").await;
    assert_eq!(report.verdict, Verdict::Inconclusive(Inconclusive::CpuLimit));
    assert!(report.ended_by_host);
}

#[tokio::test]
async fn a_guest_that_allocates_for_ever_runs_out_of_memory() {
    let report = outcome("allocate").await;
    assert_eq!(report.verdict, Verdict::Inconclusive(Inconclusive::MemoryLimit));
    assert!(report.message.ends_with("its limit is 65536 KiB"), "{}", report.message);
    assert!(report.memory_bytes_peak <= 64 << 20);
}

#[tokio::test]
async fn recursion_and_panics_are_traps() {
    assert_eq!(cause("recurse").await, Inconclusive::Trap);
    let report = outcome("panic").await;
    assert_eq!(report.verdict, Verdict::Inconclusive(Inconclusive::Trap));
    assert!(report.logs[0].message.contains("on purpose"), "{:?}", report.logs);
}

#[tokio::test]
async fn calls_past_the_limit_never_reach_the_server() {
    let server = Server::kind();
    let report = Case::of(RUN).await.run("flood-calls", &server).await;
    assert_eq!(report.verdict, Verdict::Inconclusive(Inconclusive::CallLimit));
    assert_eq!(server.heard().len(), 100);
    assert_eq!(report.calls.len(), 100);
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_cleaned() {
    let report = outcome("flood-log").await;
    let bytes: usize = report.logs.iter().map(|line| line.message.len()).sum();
    assert!(bytes <= 65 * 1024, "{bytes}");
    assert_eq!(report.logs.len(), 201);
    assert!(report.logs.iter().all(|line| !line.message.contains(char::is_control)));
    assert_eq!(report.measures.len(), 16);
}

#[tokio::test]
async fn nonsense_for_parameters_never_reaches_the_server() {
    for behaviour in ["huge-json", "ill-formed-json", "duplicate-name", "other-case-name"] {
        let server = Server::kind();
        let report = Case::of(RUN).await.run(behaviour, &server).await;
        let kind = match report.verdict {
            Verdict::Failure(kind) => kind.is_conclusive(),
            Verdict::Inconclusive(_) => false,
            other => panic!("{behaviour}: {other:?}"),
        };
        assert!(!kind, "{behaviour}");
        assert!(server.heard().is_empty(), "{behaviour}");
    }
}

#[tokio::test]
async fn a_tool_that_was_not_granted_is_denied_by_every_way() {
    for behaviour in ["not-granted", "not-granted-by-request"] {
        let server = Server::kind();
        let report = Case::of(RUN).await.run(behaviour, &server).await;
        assert_eq!(report.verdict, Verdict::Failure(FailureKind::Denied), "{behaviour}");
        assert!(report.message.contains("`delete_everything`"));
        assert!(server.heard().is_empty(), "{behaviour}");
    }
}

#[tokio::test]
async fn a_message_is_cleaned_and_cut() {
    let report = outcome("ugly-message").await;
    assert_eq!((report.message.as_str(), report.reason.as_str()), ("all [2J well", ""));
    assert_eq!(report.details, None);
    assert_eq!(outcome("huge-message").await.message.len(), 4096);
    assert_eq!(cause("too-huge-message").await, Inconclusive::Trap);
}

#[tokio::test]
async fn deferred_calls_have_an_end_and_come_last() {
    let server = Server::kind();
    let report = Case::of(RUN).await.run("defer-without-end", &server).await;
    assert_eq!(report.verdict, Verdict::Failure(FailureKind::Quota));
    assert_eq!(server.heard().len(), 8);
    assert!(report.calls.iter().all(|call| call.deferred && !call.proves_function()));
}

#[tokio::test]
async fn state_is_bounded_and_nothing_is_kept_without_a_verdict() {
    let report = outcome("too-much-state").await;
    assert_eq!(report.verdict, Verdict::Failure(FailureKind::Quota));
    assert_eq!(report.reason, "state-full");
    assert!(report.state_writes.is_empty());
    let report = outcome("state-then-trap").await;
    assert_eq!(report.verdict, Verdict::Inconclusive(Inconclusive::Trap));
    assert!(report.state_writes.is_empty());
}

#[tokio::test]
async fn a_made_up_failure_is_the_probes_own_word() {
    let report = outcome("forged-failure").await;
    assert_eq!(report.verdict, Verdict::Failure(FailureKind::Other));
    assert!(!report.ended_by_host);
}

#[tokio::test]
async fn a_claim_of_success_does_not_hide_the_call_that_failed() {
    let server = Server::new(|_, _| Reply::Result(r#"{"content":[],"isError":true}"#));
    let report = Case::of(RUN).await.run("hide-failure", &server).await;
    assert_eq!(report.verdict, Verdict::Pass);
    assert!(!report.calls.iter().any(mcpd_core::check::CallRecord::proves_function));
}

#[tokio::test]
async fn wasi_grants_nothing() {
    let case = Case::of(WASI).await;
    assert_eq!(case.run("look", &Server::kind()).await.message, "0 found");
    let printed = case.run("print", &Server::kind()).await;
    assert_eq!(printed.verdict, Verdict::Pass);
    assert!(printed.logs.iter().map(|line| line.message.len()).sum::<usize>() <= 64 << 10);
    let left = case.run("exit", &Server::kind()).await;
    assert_eq!(left.verdict, Verdict::Inconclusive(Inconclusive::Exit));
}

#[tokio::test]
async fn guests_that_spin_while_they_are_loaded_are_refused() {
    for component in [DESCRIBE, START] {
        let host = host();
        let refused = host.load(Bytes::from_static(component), limits()).await.err().unwrap();
        assert!(matches!(refused, LoadError::Describe { cause: Inconclusive::CpuLimit, .. }), "{refused:?}");
        load(&host, builtin::TOOL_CALL.component, Limits::default()).await;
    }
}

#[tokio::test]
async fn a_component_of_another_world_is_refused_in_words() {
    let refused = host().load(Bytes::from_static(OTHER_WORLD), limits()).await.err().unwrap();
    assert!(matches!(refused, LoadError::World(WorldError::NoCheck)));
    assert_eq!(refused.inconclusive(), Inconclusive::ContractMismatch);
}

#[tokio::test]
async fn a_description_of_a_hostile_guest_is_cleaned_and_its_wishes_are_no_grant() {
    let probe = load(&host(), RUN, limits()).await;
    assert_eq!(probe.description().summary, " [2J does what it should not");
    assert_eq!(probe.description().tools, ["delete_everything"]);
}
