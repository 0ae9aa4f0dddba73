//! How a connection ends, and what becomes of the calls under way.

use std::time::Duration;

use mcpd_mcp::{CallError, CloseReason};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::peer::{call, connect, options, result};

#[tokio::test(start_paused = true)]
async fn a_call_under_way_ends_at_once_when_the_server_dies() {
    let (connection, mut peer) = connect(options()).await;
    let began = Instant::now();
    let (outcome, ()) = tokio::join!(call(&connection, "tools/call"), async move {
        peer.hear_call("tools/call").await;
    });
    let error = outcome.expect_err("the server is gone");
    assert_eq!(
        error.to_string(),
        "connection lost while tools/call was under way: the server closed its stdout"
    );
    assert!(!error.is_unsent());
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(connection.closed().await, CloseReason::StdoutEnded);
    assert_eq!(connection.close_reason(), Some(CloseReason::StdoutEnded));
}

#[tokio::test(start_paused = true)]
async fn after_the_end_a_call_is_refused_as_never_sent() {
    let (connection, peer) = connect(options()).await;
    drop(peer);
    connection.closed().await;
    let error = call(&connection, "a").await.expect_err("refused");
    assert_eq!(error.to_string(), "a not sent, there is no connection: the server closed its stdout");
    assert!(error.is_unsent());
}

#[tokio::test(start_paused = true)]
async fn half_a_message_is_no_answer() {
    let (connection, mut peer) = connect(options()).await;
    let (outcome, ()) = tokio::join!(call(&connection, "a"), async move {
        let id = peer.hear_call("a").await;
        peer.say_bytes(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"resu").as_bytes()).await;
    });
    let reason = CloseReason::StdoutEndedInMessage;
    assert_eq!(outcome.expect_err("half"), CallError::Lost { method: "a".to_owned(), reason });
}

#[tokio::test(start_paused = true)]
async fn a_last_answer_without_its_newline_counts() {
    let (connection, mut peer) = connect(options()).await;
    let (outcome, ()) = tokio::join!(call(&connection, "a"), async move {
        let id = peer.hear_call("a").await;
        peer.say_bytes(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":1}}").as_bytes()).await;
    });
    assert_eq!(result(outcome), "1");
    assert_eq!(connection.closed().await, CloseReason::StdoutEnded);
}

#[tokio::test(start_paused = true)]
async fn when_stdin_breaks_what_was_sent_before_may_still_be_answered() {
    let (connection, mut peer) = connect(options()).await;
    let (sent, ()) = tokio::join!(call(&connection, "a"), async {
        let id = peer.hear_call("a").await;
        let mut stdout = peer.close_stdin();
        let refused = call(&connection, "b").await.expect_err("stdin is closed");
        assert!(matches!(refused, CallError::NotConnected { .. }), "{refused}");
        assert!(matches!(connection.closed().await, CloseReason::StdinBroken(_)));
        let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":1}}\n");
        stdout.write_all(answer.as_bytes()).await.expect("writable");
    });
    assert_eq!(result(sent), "1");
}

#[tokio::test(start_paused = true)]
async fn closing_ends_stdin_and_lets_answers_through() {
    let (connection, mut peer) = connect(options()).await;
    let (sent, ()) = tokio::join!(call(&connection, "a"), async {
        let id = peer.hear_call("a").await;
        connection.close();
        assert!(peer.hears_the_end().await);
        assert_eq!(connection.closed().await, CloseReason::ClosedByUs);
        assert!(call(&connection, "b").await.expect_err("closed").is_unsent());
        peer.answer(id, json!(1)).await;
    });
    assert_eq!(result(sent), "1");
    drop(peer);
    assert_eq!(connection.closed().await, CloseReason::ClosedByUs, "the first reason stays");
}
