//! Images made on the spot: no registry is needed, and none is asked.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use super::engine::Engine;
use super::program::root;

/// What stands in for npx, which would want a network.
const NPX: &str = include_str!("../../fixtures/npx.js");
/// What images are made of is kept here between two runs.
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");
/// The servers of npm that the Node image holds.
const PACKAGES: [&str; 2] = ["@leval/mcp-grafana", "@modelcontextprotocol/server-everything"];

/// An image in an engine, shared by the tests of this run and removed when the last of them lets go of it.
pub(crate) struct Image {
    engine: Engine,
    pub(crate) name: String,
}

type Shared = HashMap<(Engine, &'static str), Weak<Image>>;
static SHARED: LazyLock<Mutex<Shared>> = LazyLock::new(Mutex::default);

impl Image {
    /// The static server and nothing else: no shell, no libraries, no folders.
    pub(crate) fn of_static_server(engine: &Engine) -> Arc<Self> {
        Self::shared(engine, "static", || {
            static PACKED: LazyLock<PathBuf> = LazyLock::new(pack_static_server);
            (PACKED.clone(), r#"ENTRYPOINT ["/server"]"#)
        })
    }

    /// Node, the servers of [`PACKAGES`] in `/app`, and an `npx` that knows no others.
    pub(crate) fn of_node(engine: &Engine) -> Arc<Self> {
        Self::shared(engine, "node", || {
            static PACKED: LazyLock<PathBuf> = LazyLock::new(pack_node);
            (PACKED.clone(), r#"ENTRYPOINT ["/usr/bin/node"]"#)
        })
    }

    /// The same image by another name, which is nobody else's.
    pub(crate) fn tagged(&self, name: &str) -> Self {
        self.engine.docker(&["tag", &self.name, name]);
        Self { engine: self.engine.clone(), name: name.to_owned() }
    }

    fn shared(
        engine: &Engine,
        kind: &'static str,
        pack: impl FnOnce() -> (PathBuf, &'static str),
    ) -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (engine.clone(), kind);
        if let Some(image) = shared.get(&key).and_then(Weak::upgrade) {
            return image;
        }
        let name = format!("mcpd-test/{kind}:{}", unique());
        let (file, change) = pack();
        engine.docker(&["import", "-c", change, file.to_str().unwrap(), &name]);
        let image = Arc::new(Self { engine: engine.clone(), name });
        shared.insert(key, Arc::downgrade(&image));
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = self.engine.try_docker(&["rmi", "-f", &self.name]);
    }
}

/// A word that nobody else on this machine uses: while one test removes an image, another makes it anew.
pub(super) fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Built anew in each run, which takes less than a second: nothing has to find out whether it changed.
fn pack_static_server() -> PathBuf {
    let folder = tempfile::tempdir_in(KEPT).unwrap();
    let server = folder.path().join("server");
    let source = root().join("tests/fixtures/static-server/main.rs");
    let options =
        ["--edition", "2024", "-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"];
    run("rustc", |rustc| rustc.args(options).args([&server, &source]));
    let kept = Path::new(KEPT).join("static.tar");
    pack(folder.path(), &kept);
    kept
}

/// Kept from run to run for each content, because npm takes its time.
fn pack_node() -> PathBuf {
    let node = which("node");
    let version = run(node.to_str().unwrap(), |node| node.arg("--version"));
    let content = BuildHasherDefault::<DefaultHasher>::default().hash_one((&version, PACKAGES, NPX));
    let kept = Path::new(KEPT).join(format!("node-{content:x}.tar"));
    if !kept.exists() {
        let folder = tempfile::tempdir_in(KEPT).unwrap();
        fill_with_node(folder.path(), &node);
        pack(folder.path(), &kept);
    }
    kept
}

fn fill_with_node(folder: &Path, node: &Path) {
    fs::create_dir_all(folder.join("tmp")).unwrap();
    for library in libraries(node) {
        copy(&library, &folder.join(library.strip_prefix("/").unwrap()));
    }
    copy(node, &folder.join("usr/bin/node"));
    let npx = folder.join("usr/bin/npx");
    fs::write(&npx, NPX).unwrap();
    fs::set_permissions(npx, Permissions::from_mode(0o755)).unwrap();
    let app = folder.join("app");
    let options = ["install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", "--prefix"];
    run("npm", |npm| npm.args(options).arg(&app).args(PACKAGES));
}

/// What a program is linked with, by `ldd`: `libc.so.6 => /lib/…/libc.so.6 (0x…)`.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = run("ldd", |ldd| ldd.arg(program));
    listed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap_or_else(|error| panic!("{} to {}: {error}", from.display(), to.display()));
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
    fs::canonicalize(found.unwrap()).unwrap()
}

/// Several runs may pack at once: each into a file of its own, and what is there is whole.
fn pack(folder: &Path, to: &Path) {
    let file = to.with_extension(unique());
    run("tar", |tar| tar.arg("-C").arg(folder).arg("-cf").arg(&file).arg("."));
    fs::rename(file, to).unwrap();
}

/// What a program prints.
#[expect(clippy::disallowed_methods, reason = "images are made by the programs of this machine")]
fn run(program: &str, add: impl FnOnce(&mut Command) -> &mut Command) -> String {
    let output = add(&mut Command::new(program)).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
