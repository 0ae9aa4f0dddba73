//! The text of `/metrics`, as a scraper sees it.

use std::time::Duration;

use jiff::Timestamp;
use mcpd_core::check::{FailureKind, Inconclusive, Measure, Verdict};
use mcpd_core::env::SecretFailure;
use mcpd_core::instance::AttemptReason;
use mcpd_core::name::ServerName;

use crate::runtime::{EngineState, RuntimeKind, Sight};

use super::{Census, CensusEntry, CheckCost, Metrics, RestartCause};

const COST: CheckCost =
    CheckCost { duration: Duration::from_millis(2), cpu: Duration::from_millis(1), memory_bytes_max: 1_024 };

fn server(name: &str) -> ServerName {
    ServerName::new(name)
}

fn census(names: &[&str]) -> Census {
    Census { servers: names.iter().map(|name| server(name)).collect(), ..Census::default() }
}

fn measure(name: &str) -> Measure {
    Measure { name: name.to_owned(), value: 0.5 }
}

/// A daemon in which everything happened once to the server `demo`.
fn lived() -> Metrics {
    let metrics = Metrics::default();
    let demo = server("demo");
    let checks = metrics.checks_of(&demo, "tool-call");
    checks.done(Verdict::Inconclusive(Inconclusive::Trap), COST, &[]);
    checks.done(Verdict::Pass, COST, &[measure("rows")]);
    metrics.probe_compiled(Duration::from_millis(40));
    metrics.attempt(&demo, Err(AttemptReason::SecretsUnresolved));
    metrics.attempt(&demo, Ok(()));
    metrics.restarted(&demo, RestartCause::Exited);
    metrics.call(&demo, "tools/call", Ok(()), Duration::from_micros(300));
    metrics.secret_failure("sealed", &SecretFailure::NotFound);
    metrics.reconcile_pass(Duration::from_millis(1));
    metrics.orphan_removed();
    metrics
}

/// The samples without histograms' buckets, sums and comments.
fn samples(text: &str) -> String {
    let counts = |line: &&str| !line.starts_with('#') && !line.contains("_bucket") && !line.contains("_sum");
    let mut lines: Vec<_> = text.lines().filter(counts).collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn every_name_of_the_interface_is_there() {
    let instance = CensusEntry {
        server: server("demo"),
        status: "RUNNING",
        ready: true,
        verdict_age: Some(Duration::from_secs(4)),
    };
    let older = CensusEntry { ready: false, verdict_age: Some(Duration::from_secs(9)), ..instance.clone() };
    let engine = |kind, sight| EngineState { kind, sight, since: Timestamp::UNIX_EPOCH };
    let census = Census {
        instances: vec![instance, older],
        owned_things: Some(2),
        wanted_things: 3,
        engines: vec![
            engine(RuntimeKind::Process, Sight::Seen(String::new())),
            engine(RuntimeKind::Docker, Sight::Lost("connection refused".to_owned())),
            engine(RuntimeKind::Auto, Sight::Unneeded),
        ],
        ..census(&["demo"])
    };
    let text = lived().encode(&census).unwrap();
    insta::assert_snapshot!(samples(&text), @r#"
    mcpd_attempts_total{server="demo",outcome="SecretsUnresolved"} 1
    mcpd_attempts_total{server="demo",outcome="Started"} 1
    mcpd_check_duration_seconds_count 2
    mcpd_check_verdict_age_seconds{server="demo"} 9.0
    mcpd_checks_total{server="demo",probe="tool-call",verdict="fail"} 0
    mcpd_checks_total{server="demo",probe="tool-call",verdict="failure"} 0
    mcpd_checks_total{server="demo",probe="tool-call",verdict="inconclusive"} 1
    mcpd_checks_total{server="demo",probe="tool-call",verdict="pass"} 1
    mcpd_checks_total{server="demo",probe="tool-call",verdict="unknown"} 0
    mcpd_checks_total{server="demo",probe="tool-call",verdict="warn"} 0
    mcpd_instance_ready{server="demo"} 1
    mcpd_instances{server="demo",status="ERROR"} 0
    mcpd_instances{server="demo",status="RUNNING"} 2
    mcpd_instances{server="demo",status="STARTING"} 0
    mcpd_instances{server="demo",status="STOPPING"} 0
    mcpd_mcp_call_duration_seconds_count 1
    mcpd_mcp_calls_total{server="demo",method="tools/call",outcome="ok"} 1
    mcpd_orphans_removed_total 1
    mcpd_owned_things 2
    mcpd_probe_compile_seconds_count 1
    mcpd_probe_cpu_seconds_total{probe="tool-call"} 0.002
    mcpd_probe_measure{server="demo",probe="tool-call",name="rows"} 0.5
    mcpd_probe_memory_peak_bytes{probe="tool-call"} 1024
    mcpd_probe_traps_total{probe="tool-call",kind="trap"} 1
    mcpd_reconcile_pass_seconds_count 1
    mcpd_restarts_total{server="demo",cause="Exited"} 1
    mcpd_runtime_up{runtime="docker"} 0
    mcpd_runtime_up{runtime="process"} 1
    mcpd_secret_failures_total{backend="sealed",reason="SecretNotFound"} 1
    mcpd_wanted_things 3
    "#);
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_method_that_mcp_does_not_know_is_counted_as_other() {
    let metrics = Metrics::default();
    let demo = server("demo");
    for method in ["tools/call", "tools/cal", "", "x".repeat(100_000).as_str(), "a\"b\n"] {
        metrics.call(&demo, method, Err(FailureKind::Rpc), Duration::ZERO);
    }
    let text = metrics.encode(&census(&["demo"])).unwrap();
    assert!(text.contains(r#"mcpd_mcp_calls_total{server="demo",method="other",outcome="rpc"} 4"#), "{text}");
    assert!(text.contains(r#"mcpd_mcp_calls_total{server="demo",method="tools/call",outcome="rpc"} 1"#));
    assert!(text.len() < 10_000);
}

#[test]
fn a_server_that_is_gone_leaves_no_series() {
    let metrics = lived();
    let checks = metrics.checks_of(&server("demo"), "tool-call");
    assert!(metrics.encode(&census(&["demo"])).unwrap().contains("demo"));
    metrics.forget_server(&server("demo"));
    checks.done(Verdict::Pass, COST, &[measure("late")]);
    metrics.call(&server("demo"), "ping", Ok(()), Duration::ZERO);
    let text = metrics.encode(&census(&["other"])).unwrap();
    assert!(!text.contains("demo"), "{text}");
    assert!(!text.contains("tool-call"), "no server uses the probe any more: {text}");
    assert!(text.contains(r#"mcpd_instances{server="other",status="RUNNING"} 0"#));
}

#[test]
fn a_backend_that_is_gone_leaves_no_series() {
    let metrics = lived();
    metrics.forget_backend("sealed");
    let text = metrics.encode(&census(&["demo"])).unwrap();
    assert!(!text.contains("sealed"), "{text}");
    assert!(text.contains("mcpd_attempts_total{"));
}

#[test]
fn a_probe_that_invents_names_of_measures_has_only_those_of_its_last_check() {
    let metrics = Metrics::default();
    let checks = metrics.checks_of(&server("demo"), "mine");
    for round in 0..100 {
        let measures: Vec<_> = (0..20).map(|index| measure(&format!("m{round}_{index}"))).collect();
        checks.done(Verdict::Pass, COST, &measures);
    }
    let text = metrics.encode(&census(&["demo"])).unwrap();
    let shown: Vec<_> = text.lines().filter(|line| line.starts_with("mcpd_probe_measure{")).collect();
    assert_eq!(shown.len(), 16);
    assert!(shown.iter().all(|line| line.contains("m99_")));
}

#[test]
fn a_gauge_of_the_census_is_never_stale() {
    let metrics = Metrics::default();
    let entry = CensusEntry { server: server("demo"), status: "ERROR", ready: false, verdict_age: None };
    let full = Census { instances: vec![entry], ..census(&["demo"]) };
    assert!(metrics.encode(&full).unwrap().contains(r#"{server="demo",status="ERROR"} 1"#));
    let empty = metrics.encode(&census(&["demo"])).unwrap();
    assert!(empty.contains(r#"{server="demo",status="ERROR"} 0"#), "{empty}");
    assert!(!empty.contains("mcpd_check_verdict_age_seconds{"));
    assert!(!empty.contains("mcpd_owned_things "), "nobody counted them");
}

#[test]
fn memory_is_the_peak_and_not_the_last() {
    let metrics = Metrics::default();
    let checks = metrics.checks_of(&server("demo"), "mine");
    for memory_bytes_max in [1, 9, 3] {
        checks.done(Verdict::Pass, CheckCost { memory_bytes_max, ..COST }, &[]);
    }
    let text = metrics.encode(&census(&["demo"])).unwrap();
    assert!(text.contains(r#"mcpd_probe_memory_peak_bytes{probe="mine"} 9"#), "{text}");
}
