//! The promises of the data folder, on real files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn fresh() -> (DataDir, tempfile::TempDir) {
    let parent = tempfile::tempdir().unwrap();
    (DataDir::open(&parent.path().join("a/data")).unwrap(), parent)
}

#[test]
fn everything_in_it_is_private() {
    let (folder, _parent) = fresh();
    folder.admin_token().unwrap();
    folder.make_sealed_key().unwrap();
    folder.publish(&Daemon { url: "http://127.0.0.1:1".into(), pid: 1 }).unwrap();
    assert_eq!(mode(folder.path()), 0o700);
    for entry in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        let wanted = if entry.path().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&entry.path()), wanted, "{:?}", entry.path());
    }
}

#[test]
fn a_second_mcpd_is_refused_with_folder_and_pid_until_the_first_ends() {
    let (folder, _parent) = fresh();
    let path = folder.path().to_owned();
    let error = DataDir::open(&path).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "the data folder {} is in use by another mcpd (pid {}): stop it, or use another data folder",
            path.display(),
            std::process::id()
        )
    );
    drop(folder);
    drop(DataDir::open(&path).unwrap());
    DataDir::open(&path).unwrap();
}

#[test]
fn the_token_is_made_once() {
    let (folder, _parent) = fresh();
    let token = folder.admin_token().unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(&*token).unwrap().len(), 32);
    assert_eq!(folder.admin_token().unwrap(), token);
    fs::write(folder.path().join("admin.token"), "short\n").unwrap();
    assert!(folder.admin_token().unwrap_err().to_string().contains("holds no token"));
}

#[test]
fn a_key_that_others_may_read_or_of_another_size_is_refused() {
    let (folder, _parent) = fresh();
    assert!(folder.find_sealed_key().unwrap().is_none());
    let key = folder.make_sealed_key().unwrap();
    assert_eq!(folder.find_sealed_key().unwrap(), Some(key));
    let path = folder.sealed_key_path();
    set_mode(&path, 0o640);
    let error = folder.find_sealed_key().unwrap_err().to_string();
    assert!(error.ends_with("is open to others (mode 640): make it 600"), "{error}");
    set_mode(&path, 0o600);
    fs::write(&path, "too short").unwrap();
    let error = folder.find_sealed_key().unwrap_err().to_string();
    assert!(error.ends_with("holds 9 bytes and not 32"), "{error}");
}

#[test]
fn links_are_refused() {
    let (folder, parent) = fresh();
    symlink(folder.path(), parent.path().join("link")).unwrap();
    let error = DataDir::open(&parent.path().join("link")).unwrap_err();
    assert!(error.to_string().ends_with("is a symbolic link: name the folder itself"), "{error}");
    fs::write(parent.path().join("key"), [7; 32]).unwrap();
    symlink(parent.path().join("key"), folder.sealed_key_path()).unwrap();
    assert!(matches!(folder.find_sealed_key(), Err(DataDirError::Io { .. })));
}

#[test]
fn a_folder_that_others_may_write_to_is_refused_and_left_as_it_is() {
    let parent = tempfile::tempdir().unwrap();
    set_mode(parent.path(), 0o777);
    let error = DataDir::open(parent.path()).unwrap_err();
    assert!(error.to_string().ends_with("may be written by others (mode 777): make it 700"), "{error}");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
}

#[test]
fn a_file_in_place_of_the_folder_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("file");
    fs::write(&path, "").unwrap();
    assert!(DataDir::open(&path).unwrap_err().to_string().ends_with("is not a folder"));
}

#[test]
fn what_is_published_is_taken_back() {
    let (folder, _parent) = fresh();
    let daemon = Daemon { url: "http://127.0.0.1:3100".into(), pid: 17 };
    folder.publish(&daemon).unwrap();
    folder.publish(&daemon).unwrap();
    let path = folder.path().join("daemon.json");
    assert_eq!(serde_json::from_slice::<Daemon>(&fs::read(&path).unwrap()).unwrap(), daemon);
    folder.withdraw().unwrap();
    folder.withdraw().unwrap();
    assert!(!path.exists());
}
