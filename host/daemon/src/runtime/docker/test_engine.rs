//! A real engine for tests, where one answers: images made of one static program, and containers that are gone
//! after the test.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, KillContainerOptions, RemoveContainerOptions,
    StartContainerOptions,
};
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::endpoint::{Docker, Endpoint, connect};
use crate::runtime::log::{Attempt, LogBook, LogQuery, LogStream};

/// Names what has to be there, as in the black-box tests.
const REQUIRE: &str = "MCPD_TEST_REQUIRE";
/// The image that most tests run; it stays, so that the next run finds it.
pub(super) const IMAGE: &str = "mcpd-test-images/busybox";
/// Debian's package `busybox-static` puts it there.
const PROGRAM: &str = "/bin/busybox";
/// No wait of a test lasts longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// An engine that has [`IMAGE`]; `None`, after a word of it, where no engine answers.
///
/// # Panics
/// Where none answers and one has to.
pub(super) async fn engine() -> Option<Docker> {
    static IMPORTED: OnceCell<()> = OnceCell::const_new();
    let docker = connect(&Endpoint::find(None, variable).unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(3), docker.ping()).await;
    if !matches!(answer, Ok(Ok(_))) || !Path::new(PROGRAM).exists() {
        skip(&format!("{} does not answer, or {PROGRAM} is not there", docker.endpoint()));
        return None;
    }
    IMPORTED
        .get_or_init(|| async {
            if docker.inspect_image(IMAGE).await.is_err() {
                import(&docker, IMAGE).await;
            }
        })
        .await;
    Some(docker)
}

/// Says that a test is left out, past the capture of the test runner.
pub(super) fn skip(words: &str) {
    let required = variable(REQUIRE).unwrap_or_default();
    assert!(!required.split(',').any(|word| word == "docker"), "{words}, and {REQUIRE} wants it");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("skipped: {words}\n").as_bytes());
}

#[expect(clippy::disallowed_methods, reason = "where the engine of a test is is a matter of the machine")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Makes an image of the one program.
async fn import(docker: &Docker, image: &str) {
    import_of(docker, image, &std::fs::read(PROGRAM).unwrap()).await;
}

/// Makes an image of one file.
pub(super) async fn import_of(docker: &Docker, image: &str, content: &[u8]) {
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(image.to_owned()),
        ..CreateImageOptions::default()
    };
    let archive = bollard::body_full(tar("bin/busybox", content).into());
    let mut words = Box::pin(docker.create_image(Some(options), Some(archive), None));
    while let Some(word) = words.next().await {
        word.unwrap();
    }
}

/// An archive of one executable file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = [&header[..], content].concat();
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// A container of a test; removed by its drop, whatever state it is in.
pub(super) struct Container {
    pub(super) docker: Docker,
    pub(super) id: String,
}

impl Container {
    /// Creates one that runs a script of the shell, as the adapter would.
    pub(super) async fn create(docker: &Docker, script: &str) -> Self {
        let body = ContainerCreateBody {
            image: Some(IMAGE.to_owned()),
            entrypoint: Some(words(&[PROGRAM, "sh", "-c"])),
            cmd: Some(words(&[script])),
            open_stdin: Some(true),
            stdin_once: Some(false),
            host_config: Some(HostConfig {
                init: Some(true),
                network_mode: Some("none".to_owned()),
                log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let created = docker.create_container(None::<CreateContainerOptions>, body).await.unwrap();
        Self { docker: docker.clone(), id: created.id }
    }

    pub(super) async fn start(&self) {
        self.docker.start_container(&self.id, None::<StartContainerOptions>).await.unwrap();
    }

    pub(super) async fn is_running(&self) -> bool {
        let found = self.docker.inspect_container(&self.id, None).await.unwrap();
        found.state.and_then(|state| state.running).unwrap_or(false)
    }

    /// Asks it to end.
    pub(super) async fn terminate(&self) {
        let options = KillContainerOptions { signal: "TERM".to_owned() };
        self.docker.kill_container(&self.id, Some(options)).await.unwrap();
    }

    /// Removes it as a person would by hand.
    pub(super) async fn remove(&self) {
        let options = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
        self.docker.remove_container(&self.id, Some(options)).await.unwrap();
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let (docker, id) = (self.docker.clone(), self.id.clone());
        let removal = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let options = RemoveContainerOptions { force: true, ..RemoveContainerOptions::default() };
            let _ = runtime.block_on(docker.remove_container(&id, Some(options)));
        });
        let _ = removal.join();
    }
}

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A log without secrets.
pub(super) fn book() -> Arc<LogBook> {
    Arc::new(LogBook::new(Arc::new(|| Timestamp::UNIX_EPOCH)))
}

/// What the log holds of one stream.
pub(super) fn lines(book: &LogBook, stream: LogStream) -> Vec<String> {
    let kept = book.lines(LogQuery { tail: None, attempt: Attempt::Current });
    kept.into_iter().filter(|line| line.stream == stream).map(|line| line.text).collect()
}
