//! What real servers send beside answers, and that none of it confuses a call.

use serde_json::json;

use crate::peer::{Log, call, connect, options, result};

#[tokio::test(start_paused = true)]
async fn noise_goes_to_the_log_and_not_to_the_caller() {
    let log = Log::default();
    let (connection, mut peer) = connect(log.options()).await;
    let (answer, ()) = tokio::join!(call(&connection, "a"), async {
        let id = peer.hear_call("a").await;
        peer.say_bytes(
            b"plain text\n{\"method\":\"GET\",\"id\":1}\n[1, 2]\n\xff\xfe\n\n  \r\n{\"jsonrpc\":\n",
        )
        .await;
        peer.say_bytes(format!("{}\n", "x".repeat(100_000)).as_bytes()).await;
        peer.answer(id, json!("fine")).await;
    });
    assert_eq!(result(answer), "\"fine\"");
    let lines = log.lines();
    assert_eq!(
        lines[..5],
        ["plain text", "{\"method\":\"GET\",\"id\":1}", "[1, 2]", "\u{fffd}\u{fffd}", "{\"jsonrpc\":"]
    );
    assert_eq!(lines[5].len(), 100_000, "whoever masks it sees the whole line");
    assert_eq!(lines.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_notifications_between_two_answers_do_no_harm() {
    let (connection, mut peer) = connect(options()).await;
    let (answer, ()) = tokio::join!(call(&connection, "a"), async {
        let id = peer.hear_call("a").await;
        for _ in 0..1000 {
            peer.say(
                &json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": id } }),
            )
            .await;
        }
        peer.answer(id, json!({})).await;
    });
    assert_eq!(result(answer), "{}");
    assert_eq!(connection.traffic().notifications, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_servers_ping_is_answered_and_its_other_requests_are_refused() {
    let (connection, mut peer) = connect(options()).await;
    peer.say(&json!({ "jsonrpc": "2.0", "id": "a\"b", "method": "ping" })).await;
    assert_eq!(peer.hear().await, json!({ "jsonrpc": "2.0", "id": "a\"b", "result": {} }));
    for (id, method) in [(1, "roots/list"), (2, "sampling/createMessage"), (3, "elicitation/create")] {
        peer.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} })).await;
        let answer = peer.hear().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(id), &json!(-32601)));
    }
    assert_eq!(connection.traffic().server_requests, 4);
}

#[tokio::test(start_paused = true)]
async fn each_message_of_a_batch_counts_by_itself() {
    let log = Log::default();
    let (connection, mut peer) = connect(log.options()).await;
    let (first, second, ()) = tokio::join!(call(&connection, "a"), call(&connection, "b"), async {
        let (first, second) = (peer.hear_call("a").await, peer.hear_call("b").await);
        peer.say(&json!([
            { "jsonrpc": "2.0", "id": second, "result": "b" },
            { "jsonrpc": "2.0", "method": "notifications/message" },
            { "jsonrpc": "2.0", "id": 1, "method": "ping" },
            { "jsonrpc": "2.0", "id": first, "result": "a" },
        ]))
        .await;
        assert_eq!(peer.hear().await, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    });
    assert_eq!((result(first), result(second)), ("\"a\"".to_owned(), "\"b\"".to_owned()));
    assert_eq!((connection.traffic().notifications, log.lines().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_log_line_with_an_id_of_its_own_is_noise() {
    let log = Log::default();
    let (connection, mut peer) = connect(log.options()).await;
    peer.say_bytes(b"{\"id\":17,\"msg\":\"request\"}\n").await;
    peer.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
    peer.hear().await;
    assert_eq!((connection.traffic().unknown_answers, log.lines().len()), (0, 1));
}
