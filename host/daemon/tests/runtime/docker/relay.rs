//! A socket in front of an engine that a test can cut or freeze, without touching the engine.

use std::path::{Path, PathBuf};

use mcpd::runtime::docker::Endpoint;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of what is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    /// Connections are taken, and nothing passes.
    Frozen,
    /// All connections are closed, and new ones at once.
    Cut,
}

pub(crate) struct Relay {
    folder: TempDir,
    flow: watch::Sender<Flow>,
    _task: JoinSet<()>,
}

impl Relay {
    pub(crate) fn new(engine: &Endpoint) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket(folder.path())).unwrap();
        let flow = watch::Sender::new(Flow::Open);
        let engine = engine.to_string().strip_prefix("unix://").unwrap().into();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, engine, flow.subscribe()));
        Self { folder, flow, _task: task }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::at(socket(self.folder.path()))
    }

    pub(crate) fn cut(&self) {
        self.flow.send_replace(Flow::Cut);
    }

    pub(crate) fn freeze(&self) {
        self.flow.send_replace(Flow::Frozen);
    }

    pub(crate) fn mend(&self) {
        self.flow.send_replace(Flow::Open);
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("engine.sock")
}

async fn serve(listener: UnixListener, engine: PathBuf, flow: watch::Receiver<Flow>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        connections.spawn(pass(client, engine.clone(), flow.clone()));
    }
}

async fn pass(mut client: UnixStream, engine: PathBuf, mut flow: watch::Receiver<Flow>) {
    let mut cut = flow.clone();
    let passed = async {
        let _ = flow.wait_for(|flow| *flow == Flow::Open).await;
        let mut engine = UnixStream::connect(engine).await.unwrap();
        loop {
            let mut frozen = flow.clone();
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut engine) => return,
                _ = frozen.wait_for(|flow| *flow == Flow::Frozen) => {}
            }
            // What was read and not yet written is lost with the copy; the tests freeze idle connections.
            let _ = flow.wait_for(|flow| *flow == Flow::Open).await;
        }
    };
    tokio::select! {
        () = passed => {}
        _ = cut.wait_for(|flow| *flow == Flow::Cut) => {}
    }
}
