//! Calls of clients: bytes in, bytes out, and a clear word where there is no answer.

use std::time::Duration;

use axum::http::StatusCode;
use mcpd_mcp::{Answer, CallError, CloseReason, RpcError};
use serde_json::json;
use serde_json::value::RawValue;

use super::fixture::Fixture;
use crate::router::RouteError;

const PATH: &str = "/api/v1/servers/demo/mcp";

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

async fn with_answers(answers: impl IntoIterator<Item = Result<Answer, RouteError>>) -> Fixture {
    let fixture = Fixture::new();
    fixture.apply("", "kind: server\nname: demo\ncommand: [mcpd, demo-server]").await;
    fixture.engine.take_told();
    fixture.engine.answers.lock().unwrap().extend(answers);
    fixture
}

fn failed(source: CallError) -> Result<Answer, RouteError> {
    Err(RouteError::Call { server: "demo".into(), instance: "a1".into(), source })
}

#[tokio::test]
async fn parameters_and_results_pass_byte_for_byte() {
    let result = r#"{ "z":1.0,  "a":1e400, "a":"twice", "u":"é"}"#;
    let fixture = with_answers([Ok(Answer::Result(raw(result)))]).await;
    let body =
        r#"{"method":"tools/call","params":{ "n" : 1.50, "n": 2 },"instance":"a1","timeoutSeconds":0.5}"#;
    let reply = fixture.ask("POST", PATH, body).await;
    assert_eq!((reply.status, reply.text), (StatusCode::OK, format!(r#"{{"result":{result}}}"#)));
    let told = [r#"call demo Some("a1") tools/call { "n" : 1.50, "n": 2 } within 500ms"#];
    assert_eq!(fixture.engine.take_told(), told);
}

#[tokio::test]
async fn an_error_of_the_server_is_its_answer() {
    let error = r#"{"code":-32000, "message":"token is required","data":{"x":1},"more":true}"#;
    let answer = Answer::Error(RpcError {
        code: -32000,
        message: "token is required".to_owned(),
        data: Some(raw(r#"{"x":1}"#)),
        raw: raw(error),
    });
    let fixture = with_answers([Ok(answer)]).await;
    let reply = fixture.ask("POST", PATH, r#"{"method":"ping"}"#).await;
    assert_eq!((reply.status, reply.text), (StatusCode::OK, format!(r#"{{"error":{error}}}"#)));
    assert_eq!(fixture.engine.take_told(), ["call demo None ping  within 60s"]);
}

#[tokio::test]
async fn each_way_to_have_no_answer_has_its_status_and_words() {
    let method = || "tools/call".to_owned();
    let fixture = with_answers([
        Err(RouteError::NoneReady {
            server: "demo".into(),
            why: "demo is unhealthy: token is required".to_owned(),
        }),
        Err(RouteError::UnknownInstance { server: "demo".into(), instance: "zz".to_owned() }),
        Err(RouteError::NotConnected { server: "demo".into(), instance: "a1".into(), status: "ERROR" }),
        Err(RouteError::NotConnected { server: "demo".into(), instance: "a1".into(), status: "RUNNING" }),
        failed(CallError::Timeout { after: Duration::from_secs(10) }),
        failed(CallError::Lost { method: method(), reason: CloseReason::ClosedByUs }),
        failed(CallError::NotConnected { method: method(), reason: CloseReason::ClosedByUs }),
        failed(CallError::TooManyCalls { limit: 1024 }),
        failed(CallError::QueueFull { limit: 1024 }),
        failed(CallError::RequestTooLarge { bytes: 20, limit: 10 }),
        failed(CallError::AnswerTooLarge { bytes: 20, limit: 10 }),
        failed(CallError::Protocol { method: method(), what: "neither result nor error" }),
    ])
    .await;
    let mut words = Vec::new();
    for _ in 0..12 {
        let reply = fixture.ask("POST", PATH, r#"{"method":"tools/call"}"#).await;
        let must_wait = matches!(reply.status.as_u16(), 429 | 503);
        assert_eq!(reply.headers.contains_key("retry-after"), must_wait, "{reply:?}");
        let causes =
            reply.json()["causes"].as_array().map(|causes| format!(" ← {causes:?}")).unwrap_or_default();
        words.push(reply.words() + &causes);
    }
    insta::assert_snapshot!(words.join("\n"));
}

#[tokio::test]
async fn a_call_with_mistakes_is_refused_with_all_of_them() {
    let fixture = with_answers([]).await;
    let body = r#"{"method":"","params":[1],"timeoutSeconds":601}"#;
    insta::assert_snapshot!(fixture.ask("POST", PATH, body).await.words(), @r"
    422 invalid_request: the call has mistakes
      method: must not be empty
      params: must be an object
      timeoutSeconds: must be a number from 0.01 to 600, not 601
    ");
    assert!(fixture.engine.take_told().is_empty());
}

#[tokio::test]
async fn all_pages_of_tools_are_fetched_and_each_tool_is_as_the_server_gave_it() {
    let fixture = with_answers([
        Ok(Answer::Result(raw(r#"{"tools":[{"name":"b","x":1.0}],"nextCursor":"two"}"#))),
        Ok(Answer::Result(raw(r#"{"tools":[{"name":"a"}]}"#))),
    ])
    .await;
    let reply = fixture.get("/api/v1/servers/demo/tools").await;
    assert_eq!(reply.text, r#"{"items":[{"name":"b","x":1.0},{"name":"a"}]}"#);
    let told = fixture.engine.take_told();
    assert!(told[1].contains(r#"{"cursor":"two"}"#));
    let one_replica = |words: &String| words.starts_with(r#"call demo Some("demo-1") tools/list"#);
    assert!(told.iter().all(one_replica), "{told:?}");
}

#[tokio::test]
async fn all_pages_of_tools_together_are_bounded() {
    let page = format!(r#"{{"tools":[{{"name":"{}"}}],"nextCursor":"x"}}"#, "a".repeat(6 << 20));
    let fixture = with_answers(std::iter::repeat_with(|| Ok(Answer::Result(raw(&page)))).take(3)).await;
    insta::assert_snapshot!(fixture.get("/api/v1/servers/demo/tools").await.words(), @"502 bad_answer: the tools of server demo are more than 16777216 bytes together");
}

#[tokio::test]
async fn a_refusal_of_a_list_of_tools_repeats_the_first_words_of_the_server_only() {
    let message = "é".repeat(1 << 20);
    let error = RpcError { code: -32000, message, data: None, raw: raw("{}") };
    let fixture = with_answers([Ok(Answer::Error(error))]).await;
    let problem = fixture.get("/api/v1/servers/demo/tools").await.json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("server demo refused tools/list (-32000): éé"), "{detail:.80}");
    assert!(detail.len() <= 4 << 10, "{}", detail.len());
}

#[tokio::test]
async fn a_list_of_tools_that_is_none_or_never_ends_is_a_bad_answer() {
    let endless =
        std::iter::repeat_with(|| Ok(Answer::Result(raw(r#"{"tools":[],"nextCursor":"x"}"#)))).take(100);
    let fixture = with_answers(endless).await;
    insta::assert_snapshot!(fixture.get("/api/v1/servers/demo/tools").await.words(), @"502 bad_answer: server demo has more than 100 pages of tools");
    let none = json!({"tool": []}).to_string();
    let fixture = with_answers([Ok(Answer::Result(raw(&none)))]).await;
    insta::assert_snapshot!(fixture.get("/api/v1/servers/demo/tools").await.words(), @"502 bad_answer: server demo gave no list of tools: missing field `tools` at line 1 column 11");
}
