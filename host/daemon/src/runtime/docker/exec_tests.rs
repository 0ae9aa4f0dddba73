//! Commands in a real container, and with an engine that loses sight of them.

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::super::scripted::{Scripted, Turn, frame, json, upgraded};
use super::super::test_engine::{Container, PATIENCE, engine, words};
use super::*;

/// All that a command says, joined by stream, and its end.
async fn all(output: BoxStream<'static, ExecEvent>) -> (String, String, ExecEvent) {
    let events: Vec<_> = timeout(PATIENCE, output.collect()).await.expect("in time");
    let (mut stdout, mut stderr, mut end) = (Vec::new(), Vec::new(), None);
    for event in events {
        assert_eq!(end, None, "nothing follows the end");
        match event {
            ExecEvent::Stdout(piece) => stdout.extend_from_slice(&piece),
            ExecEvent::Stderr(piece) => stderr.extend_from_slice(&piece),
            over => end = Some(over),
        }
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(stdout), text(stderr), end.expect("an end"))
}

fn shell(script: &str) -> ExecRequest {
    ExecRequest { command: words(&["/bin/busybox", "sh", "-c", script]), tty: None, input: Input::Closed }
}

async fn idle(docker: &Docker) -> Container {
    let container = Container::create(docker, "sleep 1000").await;
    container.start().await;
    container
}

#[tokio::test]
async fn both_streams_come_apart_and_the_exit_code_comes_last() {
    let Some(docker) = engine().await else { return };
    let container = idle(&docker).await;
    let run = exec(&docker, &container.id, shell("echo out; echo err >&2; exit 7")).await.unwrap();
    assert_eq!(all(run.output).await, ("out\n".to_owned(), "err\n".to_owned(), ExecEvent::Exited(7)));
}

#[tokio::test]
async fn a_command_reads_what_is_sent_until_its_stdin_is_closed() {
    let Some(docker) = engine().await else { return };
    let container = idle(&docker).await;
    let request = ExecRequest { input: Input::Open, ..shell("/bin/busybox cat; echo end") };
    let mut run = exec(&docker, &container.id, request).await.unwrap();
    run.stdin.write_all(b"one\ntwo\n").await.unwrap();
    run.stdin.shutdown().await.unwrap();
    assert_eq!(all(run.output).await, ("one\ntwo\nend\n".to_owned(), String::new(), ExecEvent::Exited(0)));
}

#[tokio::test]
async fn a_terminal_has_its_size_and_hears_of_another() {
    let Some(docker) = engine().await else { return };
    let container = idle(&docker).await;
    let script = "/bin/busybox stty size; read x; /bin/busybox stty size; printf '\\001\\000\\002 end'";
    let tty = Some(TtySize { columns: 101, rows: 37 });
    let request = ExecRequest { tty, input: Input::Open, ..shell(script) };
    let mut run = exec(&docker, &container.id, request).await.unwrap();
    run.terminal.resize(TtySize { columns: 55, rows: 22 }).await.unwrap();
    run.stdin.write_all(b"\n").await.unwrap();
    let (stdout, _, end) = all(run.output).await;
    assert!(stdout.contains("22 55\r\n"), "{stdout:?}");
    assert!(stdout.ends_with("\u{1}\0\u{2} end"), "control characters are no frames: {stdout:?}");
    assert_eq!(end, ExecEvent::Exited(0));
}

#[tokio::test]
async fn a_terminal_passes_the_keys_that_engines_like_to_keep() {
    let Some(docker) = engine().await else { return };
    let container = idle(&docker).await;
    let script = "/bin/busybox stty raw -echo; echo ready; /bin/busybox head -c 3 | /bin/busybox od -An -tx1";
    let tty = Some(TtySize { columns: 80, rows: 24 });
    let request = ExecRequest { tty, input: Input::Open, ..shell(script) };
    let mut run = exec(&docker, &container.id, request).await.unwrap();
    assert_eq!(run.output.next().await, Some(ExecEvent::Stdout("ready\n".into())));
    run.stdin.write_all(b"\x10\x11\n").await.unwrap();
    let (stdout, _, end) = all(run.output).await;
    assert_eq!((stdout.trim(), end), ("10 11 0a", ExecEvent::Exited(0)));
}

#[tokio::test]
async fn a_program_that_is_not_there_ends_in_the_engines_words() {
    let Some(docker) = engine().await else { return };
    let container = idle(&docker).await;
    let request = ExecRequest { command: words(&["/bin/nothing", "secret-argument"]), ..shell("") };
    let said = match exec(&docker, &container.id, request).await {
        Err(refused) => refused.to_string(),
        Ok(run) => {
            let (stdout, stderr, end) = all(run.output).await;
            assert_eq!(stdout, "", "words of the engine are no data");
            assert!(matches!(end, ExecEvent::Exited(126 | 127)), "{end:?}");
            stderr
        }
    };
    assert!(said.contains("no such file or directory"), "{said}");
    assert!(!said.contains("secret-argument"), "{said}");
}

#[tokio::test]
async fn a_command_ends_with_its_container() {
    let Some(docker) = engine().await else { return };
    let container = idle(&docker).await;
    let run = exec(&docker, &container.id, shell("echo begun; sleep 1000")).await.unwrap();
    let mut output = run.output;
    assert_eq!(output.next().await, Some(ExecEvent::Stdout("begun\n".into())));
    container.docker.kill_container(&container.id, None).await.unwrap();
    let (_, _, end) = all(output).await;
    assert_eq!(end, ExecEvent::Exited(137));
}

#[tokio::test]
async fn a_container_that_does_not_run_takes_no_command() {
    let Some(docker) = engine().await else { return };
    let container = Container::create(&docker, "true").await;
    let refused = exec(&docker, &container.id, shell("true")).await.unwrap_err().to_string();
    assert!(refused.ends_with("is not running"), "{refused}");
}

const CREATED: &str = r#"{"Id":"e1"}"#;

#[tokio::test]
async fn a_command_that_is_lost_sight_of_says_why() {
    let engine = Scripted::new([
        Turn::Say(json("201 Created", CREATED)),
        Turn::Say(upgraded(&frame(1, b"half"))),
        Turn::Say(json("404 Not Found", r#"{"message":"No such exec instance: e1"}"#)),
    ]);
    let run = exec(&engine.docker, "a", shell("true")).await.unwrap();
    let lost =
        ExecEvent::Lost(r#"cannot run "/bin/busybox" in container a: No such exec instance: e1"#.to_owned());
    assert_eq!(all(run.output).await, ("half".to_owned(), String::new(), lost));
}

#[tokio::test]
async fn garbage_is_an_end() {
    let garbage = [&frame(2, b"err")[..], b"garbage!!"].concat();
    let engine =
        Scripted::new([Turn::Say(json("201 Created", CREATED)), Turn::SayAndHang(upgraded(&garbage))]);
    let run = exec(&engine.docker, "a", shell("true")).await.unwrap();
    let (_, stderr, end) = all(run.output).await;
    assert_eq!(stderr, "err");
    assert!(matches!(&end, ExecEvent::Lost(words) if words.contains("no frame")), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_streams_ended_and_that_runs_on_is_lost_after_a_while() {
    let running = || Turn::Say(json("200 OK", r#"{"Running":true,"ExitCode":null}"#));
    let begin = [Turn::Say(json("201 Created", CREATED)), Turn::Say(upgraded(b""))];
    let polls = (0..ENDED_POLLS_MAX).map(|_| running());
    let engine = Scripted::new(begin.into_iter().chain(polls));
    let run = exec(&engine.docker, "a", shell("true")).await.unwrap();
    let (_, _, end) = all(run.output).await;
    assert!(matches!(&end, ExecEvent::Lost(words) if words.contains("still runs")), "{end:?}");
}
