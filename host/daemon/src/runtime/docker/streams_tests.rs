//! Attachments to real containers, and to an engine that misbehaves.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::super::scripted::{Scripted, Turn, frame, json, upgraded};
use super::super::test_engine::{Container, PATIENCE, book, engine, lines};
use super::*;

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in time")
}

async fn line(stdout: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> String {
    let mut line = String::new();
    within(stdout.read_line(&mut line)).await.unwrap();
    line
}

#[tokio::test]
async fn what_goes_in_comes_out_and_stderr_goes_into_the_log() {
    let Some(docker) = engine().await else { return };
    let script = "echo hello >&2; while read x; do echo got $x; echo saw $x >&2; done; printf last >&2";
    let container = Container::create(&docker, script).await;
    let book = book();
    let mut attached = attach(&docker, &container.id, Arc::clone(&book), Over::Stdio).await.unwrap();
    container.start().await;
    let mut stdout = BufReader::new(&mut attached.stdout);
    for word in ["one", "two"] {
        attached.stdin.write_all(format!("{word}\n").as_bytes()).await.unwrap();
        assert_eq!(line(&mut stdout).await, format!("got {word}\n"));
    }
    container.docker.kill_container(&container.id, None).await.unwrap();
    assert_eq!(line(&mut stdout).await, "", "its end ends the stream");
    within(attached.ended.cancelled()).await;
    assert_eq!(lines(&book, LogStream::Stderr), ["hello", "saw one", "saw two"]);
}

#[tokio::test]
async fn the_last_words_are_in_the_log_when_the_attachment_has_ended_though_nobody_reads_stdout() {
    let Some(docker) = engine().await else { return };
    let container = Container::create(&docker, "echo out; printf 'no token' >&2; exit 3").await;
    let book = book();
    let attached = attach(&docker, &container.id, Arc::clone(&book), Over::Stdio).await.unwrap();
    container.start().await;
    within(attached.ended.cancelled()).await;
    assert_eq!(lines(&book, LogStream::Stderr), ["no token"]);
}

#[tokio::test]
async fn a_container_that_is_removed_by_hand_ends_its_attachment() {
    let Some(docker) = engine().await else { return };
    let container = Container::create(&docker, "while read x; do :; done").await;
    let mut attached = attach(&docker, &container.id, book(), Over::Stdio).await.unwrap();
    container.start().await;
    container.remove().await;
    assert_eq!(line(&mut BufReader::new(&mut attached.stdout)).await, "");
    within(attached.ended.cancelled()).await;
}

#[tokio::test]
async fn the_log_goes_on_without_the_streams_until_somebody_detaches_and_attaches_anew() {
    let Some(docker) = engine().await else { return };
    let script = "trap 'echo bye >&2; exit' TERM; while read x; do echo got $x; done; echo never >&2";
    let container = Container::create(&docker, script).await;
    let book = book();
    let mut first = attach(&docker, &container.id, Arc::clone(&book), Over::Stdio).await.unwrap();
    container.start().await;
    first.stdin.shutdown().await.unwrap();
    drop((first.stdin, first.stdout));
    first.ended.cancel();
    let mut second = attach(&docker, &container.id, Arc::clone(&book), Over::Stdio).await.unwrap();
    second.stdin.write_all(b"again\n").await.unwrap();
    assert_eq!(line(&mut BufReader::new(&mut second.stdout)).await, "got again\n");
    second.stdin.write_all(b"unheard\n").await.unwrap();
    drop((second.stdin, second.stdout));
    container.terminate().await;
    within(second.ended.cancelled()).await;
    assert_eq!(lines(&book, LogStream::Stderr), ["bye"]);
}

#[tokio::test]
async fn what_a_server_over_http_writes_goes_into_the_log() {
    let Some(docker) = engine().await else { return };
    let container = Container::create(&docker, "echo out; echo err >&2; sleep 1000").await;
    let book = book();
    let attached = attach(&docker, &container.id, Arc::clone(&book), Over::LogsOnly).await.unwrap();
    container.start().await;
    let mut follow = Arc::clone(&book).follow(crate::runtime::LogQuery::default());
    within(follow.next()).await;
    within(follow.next()).await;
    assert_eq!(lines(&book, LogStream::Stdout), ["out"]);
    assert_eq!(lines(&book, LogStream::Stderr), ["err"]);
    assert!(!attached.ended.is_cancelled());
    attached.ended.cancel();
    assert!(container.is_running().await);
}

#[tokio::test]
async fn a_megabyte_passes_whole_in_both_directions() {
    let Some(docker) = engine().await else { return };
    let container = Container::create(&docker, "exec /bin/busybox cat").await;
    let mut attached = attach(&docker, &container.id, book(), Over::Stdio).await.unwrap();
    container.start().await;
    let message: Vec<u8> = (0..1_u32 << 18).flat_map(u32::to_le_bytes).collect();
    let mut stdin = attached.stdin;
    let mut echo = vec![0; message.len()];
    let send = async { stdin.write_all(&message).await.unwrap() };
    let receive = async { attached.stdout.read_exact(&mut echo).await.unwrap() };
    within(async { tokio::join!(send, receive) }).await;
    assert!(echo == message);
}

#[tokio::test]
async fn a_container_that_is_not_there_is_refused_in_the_engines_words() {
    let Some(docker) = engine().await else { return };
    let refused = attach(&docker, "mcpd-test-nothing", book(), Over::Stdio).await.err().unwrap();
    assert_eq!(
        refused.to_string(),
        "cannot attach to container mcpd-test-nothing: No such container: mcpd-test-nothing"
    );
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_away() {
    let docker =
        super::super::endpoint::connect(&super::super::endpoint::Endpoint::at("/nowhere/docker.sock"));
    let away = attach(&docker, "a", book(), Over::Stdio).await.err().unwrap();
    assert_eq!(
        away.to_string(),
        "the container engine at unix:///nowhere/docker.sock does not answer: No such file or directory (os error 2)"
    );
}

#[tokio::test]
async fn garbage_and_torn_frames_end_the_attachment_and_keep_what_came_before() {
    let torn = [frame(1, b"one\n"), frame(2, b"err"), vec![1, 0, 0, 0, 0, 0, 0, 9, b't']].concat();
    let garbage = [frame(1, b"one\n"), frame(2, b"err"), b"HTTP/1.1 500 oh\r\n\r\n".to_vec()].concat();
    let engine = Scripted::new([Turn::Say(upgraded(&torn)), Turn::SayAndHang(upgraded(&garbage))]);
    for rest in ["t", ""] {
        let book = book();
        let mut attached = attach(&engine.docker, "a", Arc::clone(&book), Over::Stdio).await.unwrap();
        let mut read = String::new();
        within(attached.stdout.read_to_string(&mut read)).await.unwrap();
        assert_eq!(read, format!("one\n{rest}"));
        within(attached.ended.cancelled()).await;
        assert_eq!(lines(&book, LogStream::Stderr), ["err"]);
    }
    let asked = engine.asked();
    assert!(
        asked[0].starts_with("POST /containers/a/attach?stream=1&stdin=1&stdout=1&stderr=1 "),
        "{}",
        asked[0]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stdout_that_nobody_reads_ends_the_attachment_after_a_while_and_holds_no_more_than_its_queue() {
    let full: Vec<u8> = (0..PIECES_MAX + 10).flat_map(|_| frame(1, b"x")).collect();
    let engine = Scripted::new([Turn::SayAndHang(upgraded(&full))]);
    let mut attached = attach(&engine.docker, "a", book(), Over::Stdio).await.unwrap();
    let began = tokio::time::Instant::now();
    attached.ended.cancelled().await;
    assert!((STALL_DEADLINE..STALL_DEADLINE + Duration::from_secs(1)).contains(&began.elapsed()));
    let mut read = Vec::new();
    attached.stdout.read_to_end(&mut read).await.unwrap();
    assert_eq!(read.len(), PIECES_MAX);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_is_given_up() {
    let engine = Scripted::new([Turn::SayAndHang(Vec::new())]);
    let slow = attach(&engine.docker, "a", book(), Over::Stdio).await.err().unwrap();
    assert_eq!(
        slow.to_string(),
        "cannot attach to container a: the container engine gave no answer within 10 s"
    );
}

#[tokio::test]
async fn a_refusal_is_told_whatever_its_form() {
    let engine = Scripted::new([
        Turn::Say(json("409 Conflict", r#"{"message":"container a is paused"}"#)),
        Turn::Say(json("500 Internal Server Error", "not JSON")),
        Turn::Say(json("200 OK", "")),
    ]);
    let mut words = Vec::new();
    for _ in 0..3 {
        words.push(attach(&engine.docker, "a", book(), Over::Stdio).await.err().unwrap().to_string());
    }
    insta::assert_debug_snapshot!(words, @r#"
    [
        "cannot attach to container a: container a is paused",
        "cannot attach to container a: not JSON",
        "cannot attach to container a: the engine answered with status 200 and no words",
    ]
    "#);
}
