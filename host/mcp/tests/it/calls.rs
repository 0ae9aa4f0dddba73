//! Requests and their answers.

use std::time::Duration;

use mcpd_mcp::{Answer, CallError, Caller, InFlight};
use serde_json::json;
use tokio::time::Instant;

use crate::peer::{DEADLINE, ID_START, call, connect, options, raw, result};

#[tokio::test(start_paused = true)]
async fn a_request_and_its_answer_pass_untouched() {
    let (connection, mut peer) = connect(options()).await;
    let params = raw(r#"{"name":"get_me","arguments":{"z":1.50,"a":"\u00e4"}}"#);
    let (answer, ()) =
        tokio::join!(connection.request(Caller::Client, "tools/call", Some(&params), DEADLINE), async {
            let heard = peer.hear_text().await;
            assert!(heard.ends_with(&format!(r#","params":{params}}}"#)), "{heard}");
            let id = serde_json::from_str::<serde_json::Value>(&heard).expect("JSON")["id"].clone();
            let answer =
                format!("{{\"result\":{{\"z\":1.50, \"a\":1}},\"jsonrpc\":\"2.0\",\"id\":{id}}}\r\n");
            peer.say_bytes(answer.as_bytes()).await;
        });
    assert_eq!(result(answer), r#"{"z":1.50, "a":1}"#);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_server_is_an_answer() {
    let (connection, mut peer) = connect(options()).await;
    let (answer, ()) = tokio::join!(call(&connection, "tools/call"), async {
        let id = peer.hear_call("tools/call").await;
        peer.refuse(id, -32602, "no such tool").await;
    });
    let Ok(Answer::Error(error)) = answer else { panic!("{answer:?}") };
    assert_eq!((error.code, error.message.as_str()), (-32602, "no such tool"));
    assert_eq!(error.raw.get(), r#"{"code":-32602,"message":"no such tool"}"#);
}

#[tokio::test(start_paused = true)]
async fn ids_are_integers_counted_up_from_the_start_given() {
    let (connection, mut peer) = connect(options()).await;
    for expected in ID_START + 1..ID_START + 4 {
        let (answer, ()) = tokio::join!(call(&connection, "ping"), async {
            let id = peer.hear_call("ping").await;
            assert_eq!(id, expected);
            peer.answer(id, json!({})).await;
        });
        assert_eq!(result(answer), "{}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_out_of_order_find_their_callers() {
    let (connection, mut peer) = connect(options()).await;
    let (first, second, ()) = tokio::join!(call(&connection, "a"), call(&connection, "b"), async {
        let (first, second) = (peer.hear_call("a").await, peer.hear_call("b").await);
        peer.answer(second, json!("b")).await;
        peer.answer(first, json!("a")).await;
    });
    assert_eq!((result(first), result(second)), ("\"a\"".to_owned(), "\"b\"".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn answers_to_ids_that_nobody_waits_for_are_counted_and_dropped() {
    let (connection, mut peer) = connect(options()).await;
    let (answer, ()) = tokio::join!(call(&connection, "a"), async {
        let id = peer.hear_call("a").await;
        peer.answer(id + 1, json!("wrong")).await;
        peer.say(&json!({ "jsonrpc": "2.0", "id": id.to_string(), "result": "a string id" })).await;
        peer.say(&json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": "parse" } }))
            .await;
        peer.answer(id, json!("right")).await;
        peer.answer(id, json!("twice")).await;
    });
    assert_eq!(result(answer), "\"right\"");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(connection.traffic().unknown_answers, 4);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_answer_is_a_protocol_error_of_its_call() {
    let (connection, mut peer) = connect(options()).await;
    for (answer, what) in [
        (json!({ "jsonrpc": "2.0" }), "neither"),
        (json!({ "jsonrpc": "2.0", "result": {}, "error": { "code": 1, "message": "" } }), "both"),
        (json!({ "jsonrpc": "1.0", "result": {} }), "2.0"),
        (json!({ "jsonrpc": "2.0", "error": "boom" }), "code"),
    ] {
        let (outcome, ()) = tokio::join!(call(&connection, "a"), async {
            let mut answer = answer.clone();
            answer["id"] = peer.hear_call("a").await.into();
            peer.say(&answer).await;
        });
        let Err(error @ CallError::Protocol { .. }) = outcome else { panic!("{outcome:?}") };
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_its_deadline_a_call_is_cancelled() {
    let (connection, mut peer) = connect(options()).await;
    let began = Instant::now();
    let (answer, id) = tokio::join!(call(&connection, "a"), peer.hear_call("a"));
    assert_eq!(answer.expect_err("no answer").to_string(), "timed out after 10s");
    assert_eq!(began.elapsed(), DEADLINE);
    let cancelled = peer.hear().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], id);
    assert_eq!(cancelled.get("id"), None);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_cancelled_when_its_caller_goes_away() {
    let (connection, mut peer) = connect(options()).await;
    let id = tokio::select! {
        _ = call(&connection, "a") => panic!("nobody answered"),
        id = peer.hear_call("a") => id,
    };
    assert_eq!(peer.hear().await["params"]["requestId"], id);
    assert_eq!(connection.in_flight(), InFlight::default());
}

#[tokio::test(start_paused = true)]
async fn an_answered_call_is_not_cancelled() {
    let (connection, mut peer) = connect(options()).await;
    for method in ["a", "b"] {
        let (answer, ()) = tokio::join!(call(&connection, method), async {
            let id = peer.hear_call(method).await;
            peer.answer(id, json!({})).await;
        });
        result(answer);
    }
}

#[tokio::test(start_paused = true)]
async fn busy_means_a_client_call_and_not_that_of_a_check() {
    let (connection, mut peer) = connect(options()).await;
    let check = connection.request(Caller::Check, "tools/list", None, Duration::from_secs(3));
    let began = Instant::now();
    let (checked, _) = tokio::join!(check, peer.hear_call("tools/list"));
    assert!(checked.is_err());
    assert!(!connection.is_busy_since(began), "no client was there");

    let client = call(&connection, "tools/call");
    let observe = async {
        let began = Instant::now();
        let check = connection.request(Caller::Check, "tools/list", None, Duration::from_secs(3));
        assert_eq!(check.await.expect_err("silent").to_string(), "timed out after 3s");
        assert_eq!(connection.in_flight(), InFlight { clients: 1, checks: 0 });
        assert!(connection.is_busy_since(began));
    };
    let (outcome, ()) = tokio::join!(client, observe);
    assert!(outcome.is_err());
    assert!(!connection.is_busy_since(Instant::now()), "past its deadline it counts no more");
}
