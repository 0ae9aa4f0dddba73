//! `exec`, through pipes and through a terminal.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use mcpd_api::exec::{ExecEnd, Frame};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::json;
use tokio::process::{Child, Command};

use crate::fake::{END, Fake, instance, items};
use crate::run::{mcpctl, with_stdin};

const LINE: &str = "POST /instances/k3v9x2/exec";

async fn fake(frames: Vec<Frame>) -> Fake {
    let fake = Fake::start().await;
    fake.json("GET /instances?server=demo", items(&[instance("k3v9x2", "demo")]));
    fake.command(LINE, frames);
    fake
}

#[tokio::test]
async fn both_streams_come_apart_and_the_exit_code_is_that_of_the_command() {
    let (out, err) = (Frame::Stdout(b"out\n".to_vec()), Frame::Stderr(b"err\n".to_vec()));
    let fake = fake(vec![out, err, END]).await;
    let ended = mcpctl(&fake, "exec demo -- ls -l /data").await;
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (7, "out\n", "err\n"));
    let asked = fake.asked().pop().unwrap();
    assert_eq!(asked.body, r#"{"command":["ls","-l","/data"],"stdin":false}"#);
    assert_eq!(asked.authorization.as_deref(), Some("Bearer t0ken"));
}

#[tokio::test]
async fn stdin_is_sent_only_where_that_was_asked_for() {
    let fake = fake(Vec::new()).await;
    let ended = with_stdin(&fake, "exec demo -i -- cat", "hello\n").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (7, "HELLO\n"));
    assert_eq!(fake.asked().pop().unwrap().body, r#"{"command":["cat"],"stdin":true}"#);
}

#[tokio::test]
async fn a_command_that_is_lost_or_whose_connection_breaks_says_so() {
    let lost = fake(vec![Frame::End(ExecEnd::Error("the engine went away".to_owned()))]).await;
    let ended = mcpctl(&lost, "exec demo -- sh").await;
    assert_eq!(ended.code, 1);
    assert_eq!(ended.stderr, "error: the command was lost sight of: the engine went away\n");
    let garbled = Fake::start().await;
    garbled.json("GET /instances?server=demo", items(&[instance("k3v9x2", "demo")]));
    garbled.json(LINE, json!({}));
    let ended = mcpctl(&garbled, "exec demo -- sh").await;
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("did not upgrade"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_hint() {
    let fake = Fake::start().await;
    fake.json("GET /instances?server=demo", items(&[instance("k3v9x2", "demo")]));
    fake.problem(
        LINE,
        json!({"type": "urn:mcpd:problem:not_in_a_container", "title": "", "status": 409, "code": "not_in_a_container",
            "detail": "cannot run a command in instance k3v9x2: it is not in a container", "hint": "use a shell"}),
    );
    let ended = mcpctl(&fake, "exec demo -- sh").await;
    assert_eq!(ended.code, 1);
    insta::assert_snapshot!(ended.stderr, @r"
    error: cannot run a command in instance k3v9x2: it is not in a container
    hint: use a shell
    ");
}

#[tokio::test]
async fn a_terminal_is_not_asked_for_where_there_is_none() {
    let fake = fake(Vec::new()).await;
    let ended = mcpctl(&fake, "exec demo -it -- sh").await;
    assert_eq!(ended.code, 2);
    assert_eq!(ended.stderr, "error: -t needs a terminal to pass on, and stdin is none: leave it out\n");
    assert_eq!(fake.asked().len(), 0);
    assert_eq!(mcpctl(&fake, "exec demo").await.code, 2, "a command is needed");
}

/// `mcpctl` in a terminal of this test.
struct InTerminal {
    ours: File,
    theirs: OwnedFd,
    child: Child,
}

impl InTerminal {
    fn start(fake: &Fake, arguments: &str) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = open(ptsname(&ours, Vec::new()).unwrap(), flags, Mode::empty()).unwrap();
        tcsetwinsize(&theirs, size(100, 30)).unwrap();
        let stdio = || Stdio::from(theirs.try_clone().unwrap());
        #[expect(clippy::disallowed_methods, reason = "the tests start the very program under test")]
        let mut program = Command::new(env!("CARGO_BIN_EXE_mcpctl"));
        program.args(arguments.split(' ')).env_clear().kill_on_drop(true);
        program.envs([("MCPD_URL", fake.url.as_str()), ("MCPD_TOKEN", "t0ken")]);
        let child = program.stdin(stdio()).stdout(stdio()).stderr(stdio()).spawn().unwrap();
        Self { ours: ours.into(), theirs, child }
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.theirs).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// Reads the screen until it shows `wanted`.
    async fn until(&mut self, wanted: &str) -> String {
        let mut screen = self.ours.try_clone().unwrap();
        let wanted = wanted.to_owned();
        let read = move || {
            let mut shown = String::new();
            let mut chunk = [0; 256];
            while !shown.contains(&wanted) {
                let count = screen.read(&mut chunk).unwrap();
                shown += &String::from_utf8_lossy(&chunk[..count]);
            }
            shown
        };
        tokio::task::spawn_blocking(read).await.unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| Pid::from_raw(pid.try_into().unwrap())).unwrap();
        kill_process(pid, signal).unwrap();
    }

    async fn code(&mut self) -> Option<i32> {
        self.child.wait().await.unwrap().code()
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

#[tokio::test]
async fn every_key_goes_through_a_terminal_and_so_does_its_size() {
    let fake = fake(vec![Frame::Stdout(b"$ ".to_vec())]).await;
    let mut terminal = InTerminal::start(&fake, "exec demo -it -- sh");
    terminal.until("$ ").await;
    assert!(terminal.is_raw());
    let body = fake.asked().pop().unwrap().body;
    assert_eq!(body, r#"{"command":["sh"],"tty":{"columns":100,"rows":30},"stdin":true}"#);
    tcsetwinsize(&terminal.theirs, size(50, 20)).unwrap();
    terminal.signal(Signal::WINCH);
    terminal.until("50x20;").await;
    // Control-C, and no echo of the terminal's own.
    terminal.ours.write_all(b"a\x03").unwrap();
    assert_eq!(terminal.until("\u{3}").await, "A\u{3}");
    terminal.ours.write_all(b"\r").unwrap();
    assert_eq!(terminal.code().await, Some(7));
    assert!(!terminal.is_raw());
}

#[tokio::test]
async fn the_terminal_is_as_it_was_after_a_signal_and_after_an_error() {
    let running = fake(vec![Frame::Stdout(b"$ ".to_vec())]).await;
    let mut terminal = InTerminal::start(&running, "exec demo -it -- sh");
    terminal.until("$ ").await;
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.code().await, Some(128 + 15));
    assert!(!terminal.is_raw());
    let lost = fake(vec![Frame::End(ExecEnd::Error("gone".to_owned()))]).await;
    let mut terminal = InTerminal::start(&lost, "exec demo -it -- sh");
    assert_eq!(terminal.code().await, Some(1));
    assert!(!terminal.is_raw());
}
