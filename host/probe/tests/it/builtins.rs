//! What `liveness` and `tool-call` find.

use std::time::Duration;

use mcpd_core::check::{FailureKind, Inconclusive, Verdict};
use mcpd_probe::{CheckReport, Target, builtin};

use crate::support::{Reply, Server, check_of, host, load, run, target};

async fn tool_call(server: &std::sync::Arc<Server>, target: Target) -> CheckReport {
    let host = host();
    let probe = load(&host, builtin::TOOL_CALL.component, builtin::TOOL_CALL.limits()).await;
    run(&host, &probe, server, target).await
}

#[tokio::test]
async fn a_tool_that_answers_passes_and_proves_function() {
    let server = Server::kind();
    let report = tool_call(&server, Target { arguments: r#"{"a": 1}"#.into(), ..target() }).await;
    assert_eq!((report.verdict, report.message.as_str()), (Verdict::Pass, "ok"));
    assert_eq!(server.heard(), [r#"tools/call {"name":"get_me","arguments":{"a":1}}"#]);
    assert!(report.calls[0].proves_function());
    assert!(report.memory_bytes_peak > 0);
}

#[tokio::test]
async fn a_tool_that_fails_is_shown_in_its_own_words() {
    let server = Server::new(|_, _| {
        Reply::Result(r#"{"content":[{"type":"text","text":"token is required"}],"isError":true}"#)
    });
    let report = tool_call(&server, target()).await;
    assert_eq!(report.verdict, Verdict::Failure(FailureKind::Tool));
    assert_eq!(report.message, "token is required");
    assert!(!report.calls[0].proves_function());
}

#[tokio::test]
async fn an_error_of_the_server_keeps_its_message_verbatim() {
    let server = Server::failing(FailureKind::Rpc, "", "Bad \"thing\": x\n  at y");
    let report = tool_call(&server, target()).await;
    assert_eq!(report.verdict, Verdict::Failure(FailureKind::Rpc));
    assert_eq!(report.message, "Bad \"thing\": x\n  at y");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_timed_out() {
    let report = tool_call(&Server::new(|_, _| Reply::Never), target()).await;
    assert_eq!(report.verdict, Verdict::Failure(FailureKind::Timeout));
    assert_eq!(report.message, "timed out after 10s");
    assert_eq!(report.duration, Duration::from_secs(10));
    assert!(report.ended_by_host);
    assert_eq!(report.calls[0].failure.as_ref().unwrap().kind, FailureKind::Timeout);
}

#[tokio::test]
async fn without_a_tool_the_check_could_not_tell() {
    let server = Server::kind();
    let report = tool_call(&server, Target { tool: None, ..target() }).await;
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn liveness_asks_for_what_the_server_says_it_has() {
    let cases = [
        (r#"{"capabilities":{"tools":{},"prompts":{}}}"#, "2025-11-25", "tools/list"),
        (r#"{"capabilities":{"tools":null,"resources":{},"prompts":{}}}"#, "2025-11-25", "resources/list"),
        (
            r#"{"serverInfo":{"name":"x"},"capabilities":{"prompts":{"listChanged":true}}}"#,
            "2025-11-25",
            "prompts/list",
        ),
        (r#"{"capabilities":{}}"#, "2025-11-25", "ping"),
        (r#"{"capabilities":{}}"#, "2026-07-28", "server/discover"),
        ("no JSON", "2024-11-05", "ping"),
    ];
    let host = host();
    let probe = load(&host, builtin::LIVENESS.component, builtin::LIVENESS.limits()).await;
    for (info, version, method) in cases {
        let server = Server::kind();
        let server_info = Some(info.to_owned());
        let target = Target { server_info, protocol_version: Some(version.into()), tool: None, ..target() };
        let report = run(&host, &probe, &server, target).await;
        assert_eq!((report.verdict, report.message), (Verdict::Pass, format!("{method} ok")));
        assert_eq!(server.heard(), [method]);
        assert!(!report.calls[0].proves_function());
    }
}

#[tokio::test]
async fn the_call_limit_makes_a_check_inconclusive() {
    let host = host();
    let limits = builtin::TOOL_CALL.limits().with_calls(0);
    let probe = load(&host, builtin::TOOL_CALL.component, limits).await;
    let report = host.check(&probe, check_of(&Server::kind(), target())).await;
    assert_eq!(report.verdict, Verdict::Inconclusive(Inconclusive::CallLimit));
    assert_eq!(report.message, "the check made the 0 calls it may make");
}

#[tokio::test]
async fn an_answer_past_its_limit_is_named() {
    let host = host();
    let limits = builtin::TOOL_CALL.limits().with_answer_bytes(10);
    let probe = load(&host, builtin::TOOL_CALL.component, limits).await;
    let report = host.check(&probe, check_of(&Server::kind(), target())).await;
    assert_eq!(report.verdict, Verdict::Failure(FailureKind::Quota));
    assert_eq!(report.reason, "answer-too-large");
}

#[tokio::test]
async fn the_built_in_probes_describe_themselves_and_ask_for_no_grant() {
    let host = host();
    for builtin in builtin::ALL {
        let probe = load(&host, builtin.component, builtin.limits()).await;
        assert_eq!(probe.description().name, builtin.name);
        assert!(probe.description().tools.is_empty() && probe.description().methods.is_empty());
        assert_eq!(probe.contract_version(), mcpd_probe::CONTRACT_VERSION);
    }
}

#[tokio::test]
async fn a_check_can_move_between_threads() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let host = host();
    let loading =
        host.load(bytes::Bytes::from_static(builtin::TOOL_CALL.component), builtin::TOOL_CALL.limits());
    let probe = is_send(loading).await.unwrap();
    let report = is_send(host.check(&probe, check_of(&Server::kind(), target()))).await;
    assert_eq!(report.verdict, Verdict::Pass);
}
