//! Pulls from a real registry on loopback, with and without a login.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use bollard::query_parameters::{PushImageOptions, RemoveImageOptions};
use mcpd_core::secret::SecretValue;
use tokio::net::{TcpListener, TcpStream};

use super::super::test_engine::{engine, import_of, skip};
use super::*;

/// Debian's package `docker-registry` puts it there.
const PROGRAM: &str = "/usr/bin/docker-registry";
/// Its base64 has both characters in which the alphabets differ.
const PASSWORD: &str = "p?ss>w~rd?>~~";
/// User and password as `htpasswd -B` writes them.
const HTPASSWD: &str = "robot:$2y$05$GiphuvFH.CedINJ8dDb58eS1/bpbWYI5qYRJc6/EhkzsXcOXwhMse\n";
/// Large enough that its download is worth several words.
const LAYER_BYTES: u32 = 4 << 20;

/// Whether a registry wants a login.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    Login,
}

/// A registry with one image, that the engine does not have.
struct Registry {
    image: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Registry {
    async fn start(docker: &Docker, door: Door) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            skip(&format!("{PROGRAM} is not there"));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // Released at once, and taken by the registry a moment later.
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let config = folder.path().join("config.yml");
        std::fs::write(&config, config_of(folder.path(), &address.to_string(), door)).unwrap();
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        let registry = Self {
            image: format!("{address}/mcpd-test-images/pulled:v1"),
            process: spawn(&config),
            _folder: folder,
        };
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        registry.fill(docker).await;
        Some(registry)
    }

    /// Pushes an image, and takes it from the engine.
    async fn fill(&self, docker: &Docker) {
        let content: Vec<u8> =
            (0..LAYER_BYTES / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        import_of(docker, &self.image, &content).await;
        let (name, tag) = self.image.rsplit_once(':').unwrap();
        let options = PushImageOptions { tag: Some(tag.to_owned()), ..PushImageOptions::default() };
        let reference = Reference::parse(&self.image).unwrap();
        let mut words =
            Box::pin(docker.push_image(name, Some(options), Some(login(&robot(PASSWORD), &reference))));
        while let Some(word) = words.next().await {
            word.unwrap();
        }
        self.take(docker).await;
    }

    async fn take(&self, docker: &Docker) {
        docker.remove_image(&self.image, None::<RemoveImageOptions>, None).await.unwrap();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the registry of a test has to be started")]
fn spawn(config: &Path) -> Child {
    let mut program = Command::new(PROGRAM);
    program.arg("serve").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    program.spawn().unwrap()
}

fn config_of(folder: &Path, address: &str, door: Door) -> Vec<u8> {
    let mut config = Vec::new();
    writeln!(config, "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder:?}}}}}").unwrap();
    writeln!(config, "http: {{addr: \"{address}\"}}").unwrap();
    if door == Door::Login {
        writeln!(config, "auth: {{htpasswd: {{realm: test, path: {:?}}}}}", folder.join("htpasswd")).unwrap();
    }
    config
}

fn robot(password: &str) -> RegistryCredentials {
    RegistryCredentials { username: "robot".to_owned(), password: SecretValue::new(password.to_owned()) }
}

#[tokio::test]
async fn an_image_comes_from_a_registry_and_its_progress_is_told() {
    let Some(docker) = engine().await else { return };
    let Some(registry) = Registry::start(&docker, Door::Open).await else { return };
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let progress = Progress(Arc::new(move |word| listener.lock().unwrap().push(word)));
    for pull in [PullPolicy::IfNotPresent, PullPolicy::Always, PullPolicy::IfNotPresent, PullPolicy::Never] {
        ensure(&docker, &registry.image, pull, None, &progress).await.unwrap();
    }
    let told = told.lock().unwrap().clone();
    let pulled = told.iter().filter(|word| matches!(word, StartProgress::Pulled { .. })).count();
    assert_eq!(pulled, 2, "once where it was not there, once because it was asked for: {told:?}");
    registry.take(&docker).await;
}

#[tokio::test]
async fn a_registry_that_wants_a_login_gets_it_and_refuses_a_wrong_one_in_its_own_words() {
    let Some(docker) = engine().await else { return };
    let Some(registry) = Registry::start(&docker, Door::Login).await else { return };
    let pull = async |credentials: Option<&RegistryCredentials>| {
        let progress = Progress::default();
        let pulled = ensure(&docker, &registry.image, PullPolicy::Always, credentials, &progress).await;
        pulled.map_err(|error| error.to_string().replace(&registry.image, "IMAGE"))
    };
    let none = pull(None).await.unwrap_err();
    assert!(
        none.starts_with("cannot pull image IMAGE: ") && none.contains("no basic auth credentials"),
        "{none}"
    );
    let wrong = pull(Some(&robot("wrong-password"))).await.unwrap_err();
    assert!(wrong.contains("unauthorized") && !wrong.contains("wrong-password"), "{wrong}");
    pull(Some(&robot(PASSWORD))).await.unwrap();
    registry.take(&docker).await;
}

#[tokio::test]
async fn an_image_that_no_registry_has_fails_in_the_engines_words() {
    let Some(docker) = engine().await else { return };
    let Some(registry) = Registry::start(&docker, Door::Open).await else { return };
    let missing = registry.image.replace("pulled:v1", "missing:v1");
    let pulled = ensure(&docker, &missing, PullPolicy::IfNotPresent, None, &Progress::default()).await;
    let words = pulled.unwrap_err().to_string();
    assert!(words.starts_with(&format!("cannot pull image {missing}: manifest")), "{words}");
}

#[tokio::test]
async fn an_image_is_found_by_its_digest() {
    let Some(docker) = engine().await else { return };
    let Some(registry) = Registry::start(&docker, Door::Open).await else { return };
    let found = docker.inspect_registry_image(&registry.image, None).await.unwrap();
    let digest = found.descriptor.digest.unwrap();
    let image = format!("{}@{digest}", registry.image.rsplit_once(':').unwrap().0);
    for pull in [PullPolicy::IfNotPresent, PullPolicy::Never] {
        ensure(&docker, &image, pull, None, &Progress::default()).await.unwrap();
    }
    docker.remove_image(&image, None::<RemoveImageOptions>, None).await.unwrap();
}
