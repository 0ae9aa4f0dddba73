//! What only files can get wrong.

use std::future::{Ready, ready};
use std::os::unix::fs::symlink;

use super::super::conformance::{Given, TOKEN, conformance};
use super::*;

fn backend(root: &Path) -> FileBackend {
    FileBackend::new(FileConfig { path: root.to_owned() }).unwrap()
}

/// As a hand would make it.
fn plain() -> Ready<Given> {
    let guard = tempfile::tempdir().unwrap();
    let folder = guard.path().join("creds");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("token"), format!("{TOKEN}\n")).unwrap();
    fs::write(folder.join("blank"), "").unwrap();
    ready(Given { backend: Box::new(backend(guard.path())), _guard: Some(guard) })
}

/// As Kubernetes mounts it: keys are links into `..data`, which is a link to a folder with a date.
fn mounted() -> Ready<Given> {
    let guard = tempfile::tempdir().unwrap();
    let folder = guard.path().join("creds");
    fs::create_dir_all(folder.join("..2026_11_20_10_00_00.1")).unwrap();
    symlink("..2026_11_20_10_00_00.1", folder.join("..data")).unwrap();
    for (key, value) in [("token", TOKEN), ("blank", "")] {
        fs::write(folder.join("..data").join(key), value).unwrap();
        symlink(format!("..data/{key}"), folder.join(key)).unwrap();
    }
    ready(Given { backend: Box::new(backend(guard.path())), _guard: Some(guard) })
}

conformance!(plain);

mod as_kubernetes_mounts_it {
    use super::super::super::conformance::conformance;
    use super::mounted;

    conformance!(mounted);
}

#[tokio::test]
async fn one_trailing_newline_is_removed_and_no_more() {
    let guard = tempfile::tempdir().unwrap();
    fs::create_dir(guard.path().join("s")).unwrap();
    for (content, value) in [("a\n", "a"), ("a\n\n", "a\n"), ("a\r\n", "a"), (" a ", " a "), ("\n", "")] {
        fs::write(guard.path().join("s/k"), content).unwrap();
        assert_eq!(backend(guard.path()).read("s", "k").await.unwrap().expose(), value, "{content:?}");
    }
}

#[tokio::test]
async fn links_that_lead_outside_are_refused() {
    let guard = tempfile::tempdir().unwrap();
    let root = guard.path().join("root");
    fs::create_dir_all(root.join("s")).unwrap();
    fs::create_dir_all(guard.path().join("root-2")).unwrap();
    fs::write(guard.path().join("root-2/k"), "stolen").unwrap();
    symlink("../../root-2/k", root.join("s/k")).unwrap();
    symlink("../root-2", root.join("t")).unwrap();
    for secret in ["s", "t"] {
        let failure = backend(&root).read(secret, "k").await.unwrap_err();
        assert!(matches!(&failure, SecretFailure::Refused(words) if words.contains("leads outside of")));
    }
}

#[tokio::test]
async fn what_is_no_text_file_of_a_sane_size_is_nonsense() {
    let guard = tempfile::tempdir().unwrap();
    let folder = guard.path().join("s");
    fs::create_dir_all(folder.join("folder")).unwrap();
    fs::write(folder.join("binary"), [0xff, 0xfe]).unwrap();
    fs::write(folder.join("nul"), "a\0b").unwrap();
    fs::write(folder.join("long"), vec![b'x'; VALUE_BYTES_MAX + 1]).unwrap();
    nix::unistd::mkfifo(&folder.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    for key in ["folder", "binary", "nul", "long", "pipe"] {
        let outcome = backend(guard.path()).read("s", key).await;
        assert!(matches!(outcome, Err(SecretFailure::Nonsense(_))), "{key}: {outcome:?}");
    }
    fs::write(folder.join("long"), [&vec![b'x'; VALUE_BYTES_MAX][..], b"\n"].concat()).unwrap();
    assert!(backend(guard.path()).read("s", "long").await.is_ok(), "1 MiB and a newline");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_unreachable() {
    let guard = tempfile::tempdir().unwrap();
    let backend = backend(&guard.path().join("gone"));
    assert!(matches!(backend.read("s", "k").await, Err(SecretFailure::Unreachable(_))));
    assert!(matches!(backend.health().await, Err(SecretFailure::Unreachable(_))));
}

#[test]
fn a_relative_path_is_refused() {
    assert!(FileBackend::new(FileConfig { path: "secrets".into() }).is_err());
}
