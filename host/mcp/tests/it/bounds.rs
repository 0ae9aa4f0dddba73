//! Every bound of a connection: past it the caller gets an error that names it, and others go on.

use std::time::Duration;

use mcpd_mcp::{CallError, Caller, ConnectOptions, Limits, Traffic};
use serde_json::json;
use tokio::time::Instant;

use crate::peer::{DEADLINE, Log, PIPE_BYTES, call, connect, limits, options, raw, result};

fn small_messages() -> mcpd_mcp::ConnectOptions {
    limits(Limits { message_bytes: 10_000, ..Limits::default() })
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_the_limit_are_refused_at_once() {
    let (connection, mut peer) = connect(limits(Limits { calls_in_flight: 2, ..Limits::default() })).await;
    let (first, second, ()) = tokio::join!(call(&connection, "a"), call(&connection, "b"), async {
        let (first, second) = (peer.hear_call("a").await, peer.hear_call("b").await);
        let refused = call(&connection, "c").await.expect_err("refused");
        assert_eq!(refused, CallError::TooManyCalls { limit: 2 });
        assert_eq!(refused.to_string(), "2 calls are in flight, the most that one connection takes");
        peer.answer(first, json!({})).await;
        peer.answer(second, json!({})).await;
    });
    result(first);
    result(second);
    let (answer, ()) = tokio::join!(call(&connection, "d"), async {
        let id = peer.hear_call("d").await;
        peer.answer(id, json!({})).await;
    });
    result(answer);
}

#[tokio::test(start_paused = true)]
async fn a_request_over_the_limit_is_not_sent() {
    let (connection, mut peer) = connect(small_messages()).await;
    let params = raw(&json!({ "text": "x".repeat(10_000) }).to_string());
    let error =
        connection.request(Caller::Client, "a", Some(&params), DEADLINE).await.expect_err("too large");
    assert!(matches!(error, CallError::RequestTooLarge { limit: 10_000, .. }), "{error}");
    assert!(error.is_unsent());
    let (answer, ()) = tokio::join!(call(&connection, "b"), async {
        let id = peer.hear_call("b").await;
        peer.answer(id, json!({})).await;
    });
    result(answer);
}

#[tokio::test(start_paused = true)]
async fn an_answer_over_the_limit_ends_its_call_at_once_and_no_other() {
    let (connection, mut peer) = connect(small_messages()).await;
    let long = "x".repeat(1_000_000);
    for id_first in [true, false] {
        let began = Instant::now();
        let (over, fine, ()) = tokio::join!(call(&connection, "a"), call(&connection, "b"), async {
            let (over, fine) = (peer.hear_call("a").await, peer.hear_call("b").await);
            let line = if id_first {
                format!("{{\"jsonrpc\":\"2.0\",\"id\":{over},\"result\":\"{long}\"}}\n")
            } else {
                format!("{{\"result\":\"{long}\",\"jsonrpc\":\"2.0\",\"id\" : {over}}}\n")
            };
            peer.say_bytes(line.as_bytes()).await;
            peer.answer(fine, json!({})).await;
        });
        let error = over.expect_err("too large");
        assert!(matches!(error, CallError::AnswerTooLarge { bytes: 1_000_000.., limit: 10_000 }), "{error}");
        result(fine);
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
    assert_eq!(connection.traffic().oversized_lines, 2);
}

#[tokio::test(start_paused = true)]
async fn an_oversized_line_of_nobody_is_skipped_and_only_its_length_told() {
    let log = Log::default();
    let (connection, mut peer) =
        connect(ConnectOptions { noise: log.options().noise, ..small_messages() }).await;
    let (answer, ()) = tokio::join!(call(&connection, "a"), async {
        let id = peer.hear_call("a").await;
        peer.say_bytes(format!("{}\n", "y".repeat(50_000)).as_bytes()).await;
        peer.answer(id, json!({})).await;
    });
    result(answer);
    assert_eq!((connection.traffic().oversized_lines, connection.traffic().noise_lines), (1, 1));
    assert_eq!(log.lines(), ["skipped a line of 50000 bytes"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_fills_the_queue_and_no_more() {
    let queue = Limits { queue_bytes: 100_000, ..Limits::default() };
    let (connection, mut peer) = connect(limits(queue)).await;
    let params = raw(&json!({ "text": "x".repeat(30_000) }).to_string());
    let send = |method| connection.request(Caller::Client, method, Some(&params), DEADLINE);
    // The pipe takes two of them and part of the third.
    let unread = tokio::join!(send("a"), send("b"), send("c"), send("d"), send("e"));
    for outcome in <[_; 5]>::from(unread) {
        assert_eq!(outcome.expect_err("unread"), CallError::Timeout { after: DEADLINE });
    }
    // Those not sent yet were taken back, so there is room again; one over it is refused at once.
    let (fits, fits_too, over, over_too, ()) =
        tokio::join!(send("f"), send("g"), send("h"), send("i"), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let heard = ["a", "b", "c"];
            for method in heard {
                peer.hear_call(method).await;
            }
            for _ in heard {
                assert_eq!(peer.hear().await["method"], "notifications/cancelled");
            }
            for method in ["f", "g"] {
                let id = peer.hear_call(method).await;
                peer.answer(id, json!({})).await;
            }
        });
    result(fits);
    result(fits_too);
    for refused in [over, over_too] {
        let error = refused.expect_err("no room");
        assert_eq!(error, CallError::QueueFull { limit: 100_000 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_without_reading_is_not_answered_without_end() {
    let (connection, mut peer) = connect(options()).await;
    let id = "i".repeat(200);
    let requests = 2 * PIPE_BYTES / id.len();
    for _ in 0..requests {
        peer.say(&json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })).await;
    }
    peer.say(&json!({ "jsonrpc": "2.0", "id": "x".repeat(10_000), "method": "ping" })).await;
    peer.say(&json!({ "jsonrpc": "2.0", "method": "notifications/message" })).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let Traffic { server_requests, server_requests_dropped, notifications, .. } = connection.traffic();
    assert_eq!((server_requests + server_requests_dropped, notifications), (requests as u64 + 1, 1));
    assert!(server_requests_dropped > 100, "{server_requests_dropped}");
    for _ in 0..server_requests {
        assert_eq!(peer.hear().await["id"], id);
    }
    peer.say(&json!({ "jsonrpc": "2.0", "id": "again", "method": "ping" })).await;
    assert_eq!(peer.hear().await["id"], "again");
}
