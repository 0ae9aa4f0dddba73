//! What every runtime must do, as tests over the port. Not part of the library: the test binary `runtime`
//! includes this file and runs it for each adapter.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use mcpd::runtime::{
    Attempt, Exit, Handle, Isolation, Launch, Limits, LogQuery, Presence, Progress, Runtime, RuntimeError,
    RuntimeEvent, StartRequest, Started, Streams,
};
use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::secret::{MASK, Redactor, SecretValue};
use mcpd_core::server::Revision;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::unix::pipe;
use tokio::sync::broadcast::Receiver;
use tokio::time::{Instant, timeout};

/// No wait of a test lasts longer; nothing here should take a tenth of it.
const PATIENCE: Duration = Duration::from_secs(30);
/// An exit is noticed within this time (issues 2 and 3).
const NOTICED_WITHIN: Duration = Duration::from_millis(200);

/// A runtime under test, how it runs a script with `/bin/sh`, and where it differs by nature.
pub(crate) struct Subject {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) shell: fn(&str) -> Launch,
    /// What cannot be started, and the words of the system or engine for it.
    pub(crate) missing: (Launch, &'static str),
    /// What is seen of a server that was killed: an engine tells no signal from a code.
    pub(crate) killed: Exit,
}

impl Subject {
    pub(crate) fn request(&self, instance: &str, script: &str) -> StartRequest {
        request(instance, (self.shell)(script))
    }

    pub(crate) async fn start(&self, instance: &str, script: &str) -> Running {
        self.run(self.request(instance, script)).await
    }

    pub(crate) async fn run(&self, request: StartRequest) -> Running {
        within(self.runtime.start(request)).await.unwrap().into()
    }

    pub(crate) async fn stop(&self, instance: &str) {
        within(self.runtime.stop(&InstanceId::new(instance))).await.unwrap();
    }

    async fn logs(&self, instance: &str, attempt: Attempt) -> Vec<String> {
        let query = LogQuery { tail: None, attempt };
        let lines = self.runtime.logs(&InstanceId::new(instance), query).await.unwrap();
        lines.into_iter().map(|line| line.text).collect()
    }
}

/// A run and its streams, of whatever kind they are.
pub(crate) struct Running {
    pub(crate) run: u64,
    pub(crate) handle: Handle,
    pub(crate) pid: Option<u32>,
    pub(crate) stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) stdout: Box<dyn AsyncRead + Send + Unpin>,
}

impl Running {
    pub(crate) async fn close_stdin(&mut self) {
        let mut stdin = std::mem::replace(&mut self.stdin, Box::new(tokio::io::sink()));
        stdin.shutdown().await.unwrap();
    }
}

impl From<Started> for Running {
    fn from(started: Started) -> Self {
        let Started { run, handle, pid, streams, .. } = started;
        let (stdin, stdout): (Box<dyn AsyncWrite + Send + Unpin>, Box<dyn AsyncRead + Send + Unpin>) =
            match streams {
                Streams::Pipes { stdin, stdout } => (
                    Box::new(pipe::Sender::from_owned_fd(stdin).unwrap()),
                    Box::new(pipe::Receiver::from_owned_fd(stdout).unwrap()),
                ),
                Streams::Other { stdin, stdout } => (stdin, stdout),
                Streams::Http { address } => panic!("a shell listens at {address}"),
            };
        Self { run, handle, pid, stdin, stdout }
    }
}

/// A request without an environment of its own.
pub(crate) fn request(instance: &str, launch: Launch) -> StartRequest {
    StartRequest {
        instance: InstanceId::new(instance),
        server: ServerName::new("server"),
        launch,
        args: Vec::new(),
        cwd: None,
        env: Vec::new(),
        secret_names: Vec::new(),
        redactor: Redactor::default(),
        revision: Revision { launch: "launch".to_owned(), secrets: None },
        limits: Limits::default(),
        isolation: Isolation::default(),
        progress: Progress::default(),
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("nothing may take this long")
}

pub(crate) async fn line(running: &mut Running) -> String {
    let mut line = String::new();
    let mut stdout = BufReader::with_capacity(1, &mut running.stdout);
    within(stdout.read_line(&mut line)).await.unwrap();
    line.trim_end().to_owned()
}

/// Everything up to the end of stdout, which comes when nobody of the tree holds it any more.
pub(crate) async fn rest(running: &mut Running) -> String {
    let mut text = String::new();
    within(running.stdout.read_to_string(&mut text)).await.unwrap();
    text
}

pub(crate) async fn exit(events: &mut Receiver<RuntimeEvent>, running: &Running) -> (Exit, String) {
    exit_of(events, running.run).await
}

async fn exit_of(events: &mut Receiver<RuntimeEvent>, of: u64) -> (Exit, String) {
    loop {
        let event = within(events.recv()).await.unwrap();
        if let RuntimeEvent::Exited { run, exit, stderr_tail, .. } = event
            && run == of
        {
            return (exit, stderr_tail);
        }
    }
}

pub(crate) async fn streams_pass_through(subject: &Subject) {
    let mut started = subject.start("streams", "cat").await;
    started.stdin.write_all(b"hello\n").await.unwrap();
    assert_eq!(line(&mut started).await, "hello");
    assert!(started.handle.0.len() > 1);
    subject.stop("streams").await;
    assert_eq!(rest(&mut started).await, "");
}

pub(crate) async fn an_exit_is_an_event_with_its_code_and_last_words(subject: &Subject) {
    let mut events = subject.runtime.subscribe();
    let started = subject.start("code", "echo one >&2; echo last words >&2; exit 7").await;
    assert_eq!(exit(&mut events, &started).await, (Exit::Code(7), "one\nlast words".to_owned()));
    let started = subject.start("code", "exit 0").await;
    assert_eq!(exit(&mut events, &started).await, (Exit::Code(0), String::new()));
}

pub(crate) async fn an_exit_is_noticed_at_once(subject: &Subject) {
    let mut fastest = PATIENCE;
    for _ in 0..3 {
        let mut events = subject.runtime.subscribe();
        // What the server leaves holds its streams: the exit must not wait for their ends.
        let mut started = subject.start("at-once", "sleep 1000 & read go; exit 1").await;
        let before = Instant::now();
        started.stdin.write_all(b"go\n").await.unwrap();
        exit(&mut events, &started).await;
        fastest = fastest.min(before.elapsed());
    }
    assert!(fastest < NOTICED_WITHIN, "{fastest:?}");
}

pub(crate) async fn a_missing_program_fails_the_start(subject: &Subject) {
    let (launch, words) = subject.missing.clone();
    let error = within(subject.runtime.start(request("missing", launch))).await.unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert!(within(subject.runtime.list()).await.unwrap().is_empty());
    subject.start("missing", "cat").await;
    subject.stop("missing").await;
}

/// Of processes only: an engine keeps the stdin of a container open when mcpd lets go of it.
pub(crate) async fn a_closed_stdin_asks_to_end_and_a_stop_waits_for_it(subject: &Subject) {
    let mut events = subject.runtime.subscribe();
    let mut started = subject.start("gentle", "trap 'exit 1' TERM; cat; echo bye >&2; exit 0").await;
    started.close_stdin().await;
    subject.stop("gentle").await;
    assert_eq!(exit(&mut events, &started).await, (Exit::Code(0), "bye".to_owned()));
}

/// Of processes only, likewise.
pub(crate) async fn a_start_that_is_dropped_closes_both_streams(subject: &Subject) {
    let mut events = subject.runtime.subscribe();
    let script = "trap '' PIPE; cat; echo unheard || exit 4; exit 5";
    let started = within(subject.runtime.start(subject.request("dropped", script))).await.unwrap();
    let run = started.run;
    drop(started);
    assert_eq!(exit_of(&mut events, run).await.0, Exit::Code(4));
    subject.stop("dropped").await;
}

pub(crate) async fn a_stop_then_says_term(subject: &Subject) {
    let mut events = subject.runtime.subscribe();
    let script = "trap 'echo asked >&2; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let mut started = subject.start("term", script).await;
    assert_eq!(line(&mut started).await, "ready");
    subject.stop("term").await;
    let (exit, words) = exit(&mut events, &started).await;
    assert_eq!(exit, Exit::Code(3));
    assert!(words.contains("asked"), "{words}");
}

pub(crate) async fn a_stop_kills_in_the_end(subject: &Subject) {
    let mut events = subject.runtime.subscribe();
    let mut started = subject.start("kill", "trap '' TERM; echo ready; while :; do sleep 0.01; done").await;
    assert_eq!(line(&mut started).await, "ready");
    subject.stop("kill").await;
    assert_eq!(rest(&mut started).await, "");
    let (exit, _) = exit(&mut events, &started).await;
    assert_eq!(exit, subject.killed);
}

/// Children of all kinds: plain, in a session of their own, orphaned, deaf to TERM.
pub(crate) const TREE: &str = "trap '' TERM; sleep 1000 & setsid sleep 1000 & \
    (setsid sh -c 'sleep 1000 & sleep 1000' &) ; (sleep 1000 &) ; echo ready; ";

pub(crate) async fn a_stop_ends_the_whole_tree(subject: &Subject) {
    let mut started = subject.start("tree", &format!("{TREE} wait")).await;
    assert_eq!(line(&mut started).await, "ready");
    subject.stop("tree").await;
    assert_eq!(rest(&mut started).await, "");
    assert!(within(subject.runtime.list()).await.unwrap().is_empty());
}

pub(crate) async fn an_exit_ends_the_whole_tree(subject: &Subject) {
    let mut events = subject.runtime.subscribe();
    let mut started = subject.start("leaver", &format!("{TREE} exit 0")).await;
    assert_eq!(exit(&mut events, &started).await.0, Exit::Code(0));
    assert_eq!(rest(&mut started).await, "ready\n");
}

pub(crate) async fn one_instance_never_runs_twice(subject: &Subject) {
    let _started = subject.start("twice", "cat").await;
    let error = within(subject.runtime.start(subject.request("twice", "cat"))).await.unwrap_err();
    assert!(matches!(error, RuntimeError::StillThere { .. }), "{error}");
    let owned = within(subject.runtime.list()).await.unwrap();
    assert_eq!(owned.iter().map(|owned| owned.presence).collect::<Vec<_>>(), [Presence::Running]);
    subject.stop("twice").await;
}

pub(crate) async fn a_stop_of_nothing_is_done(subject: &Subject) {
    subject.stop("unknown").await;
    let unknown = InstanceId::new("unknown");
    within(subject.runtime.remove(&unknown)).await.unwrap();
    let error = subject.runtime.logs(&unknown, LogQuery::default()).await.unwrap_err();
    assert!(matches!(error, RuntimeError::UnknownInstance { .. }), "{error}");
}

pub(crate) async fn logs_are_masked_and_keep_the_attempt_before(subject: &Subject) {
    let mut events = subject.runtime.subscribe();
    let token = SecretValue::new("hunter22-hunter22".to_owned());
    let script = "echo \"token is $TOKEN\" >&2; echo noise; exit 1";
    let request = || StartRequest {
        env: vec![("TOKEN".to_owned(), token.clone())],
        redactor: Redactor::new([&token]),
        ..subject.request("masked", script)
    };
    let started = subject.run(request()).await;
    assert_eq!(exit(&mut events, &started).await.1, format!("token is {MASK}"));
    subject.runtime.append_log(&InstanceId::new("masked"), b"noise about hunter22-hunter22");
    let expected = [format!("token is {MASK}"), format!("noise about {MASK}")];
    assert_eq!(subject.logs("masked", Attempt::Current).await, expected);
    let started = subject.start("masked", "exit 0").await;
    exit(&mut events, &started).await;
    assert_eq!(subject.logs("masked", Attempt::Previous).await, expected);
}

pub(crate) async fn a_log_is_followed_until_the_instance_is_removed(subject: &Subject) {
    let mut started = subject.start("followed", "echo one >&2; read go; echo two >&2; cat").await;
    let id = InstanceId::new("followed");
    let mut lines = subject.runtime.follow_logs(&id, LogQuery::default()).await.unwrap();
    assert_eq!(within(lines.next()).await.unwrap().text, "one");
    started.stdin.write_all(b"go\n").await.unwrap();
    assert_eq!(within(lines.next()).await.unwrap().text, "two");
    within(subject.runtime.remove(&id)).await.unwrap();
    assert!(within(lines.next()).await.is_none());
}

pub(crate) async fn a_start_that_is_given_up_leaves_nothing(subject: &Subject) {
    for patience_us in [0, 500, 2_000, 8_000] {
        let start = subject.runtime.start(subject.request("given-up", TREE));
        let _ = timeout(Duration::from_micros(patience_us), start).await;
        subject.stop("given-up").await;
        assert!(within(subject.runtime.list()).await.unwrap().is_empty());
    }
}
