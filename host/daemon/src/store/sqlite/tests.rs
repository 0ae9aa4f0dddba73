//! What only SQLite can get wrong: files, crashes, and databases that others wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use super::{OpenError, SqliteStore};
use crate::store::conformance::{at, check, conformance, instance, put_secret, put_server};
use crate::store::{MetaKey, Store};

async fn fresh() -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("mcpd.db")).await.unwrap();
    (store, folder)
}

conformance!(fresh);

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let (store, folder) = fresh().await;
    let row = instance("abc123", "gitea");
    store.write(&[put_server("gitea"), put_secret("creds", &["token"])], at(0)).await.unwrap();
    store.put_instance(&row).await.unwrap();
    store.append_checks(&[("abc123".into(), check(1))]).await.unwrap();
    store.put_meta(MetaKey::OwnerId, "me").await.unwrap();
    let after = crashed(&folder);
    let store = SqliteStore::open(&after.path().join("mcpd.db")).await.unwrap();
    assert_eq!(store.list_instances().await.unwrap(), [row]);
    assert_eq!(store.list_checks(&"abc123".into()).await.unwrap(), [check(1)]);
    assert_eq!(store.find_meta(MetaKey::OwnerId).await.unwrap().as_deref(), Some("me"));
    assert!(store.find_sealed_value("creds", "token").await.unwrap().is_some());
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_nothing_half_made_and_nothing_locked() {
    let (store, _folder) = fresh().await;
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    for polls in 1..12 {
        let row = instance(&format!("i{polls}"), "gitea");
        let mut call = store.put_instance(&row);
        for _ in 0..polls {
            let _ = futures::poll!(&mut call);
            tokio::task::yield_now().await;
        }
        drop(call);
    }
    store.put_instance(&instance("last", "gitea")).await.unwrap();
    for row in store.list_instances().await.unwrap() {
        assert_eq!(row.instance.events.iter().count(), 1, "an instance and its events are one");
    }
}

#[tokio::test]
async fn the_files_are_private() {
    let (store, folder) = fresh().await;
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap().map(Result::unwrap) {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn a_database_of_a_newer_mcpd_is_refused_and_left_as_it_was() {
    let (store, folder) = fresh().await;
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
               VALUES (99, 'later', TRUE, X'00', 0)";
    sqlx::query(sql).execute(&store.writer).await.unwrap();
    // The newer mcpd crashed, so that some of it is in the log only.
    let folder = crashed(&folder);
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    let before = (read("mcpd.db"), read("mcpd.db-wal"));
    let error = SqliteStore::open(&folder.path().join("mcpd.db")).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, known: 2, .. }), "{error}");
    assert!(error.to_string().contains("was written by a newer mcpd"));
    assert!((read("mcpd.db"), read("mcpd.db-wal")) == before);
}

#[tokio::test]
async fn a_database_of_the_mcpd_before_is_brought_up_to_date_and_keeps_what_it_holds() {
    let (store, folder) = fresh().await;
    let row = instance("abc123", "gitea");
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    store.put_instance(&row).await.unwrap();
    for sql in [
        "ALTER TABLE instances DROP COLUMN sight",
        "ALTER TABLE instances DROP COLUMN left_running",
        "ALTER TABLE instances DROP COLUMN port",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ] {
        sqlx::query(sql).execute(&store.writer).await.unwrap();
    }
    store.close().await;
    let store = SqliteStore::open(&folder.path().join("mcpd.db")).await.unwrap();
    assert_eq!(store.list_instances().await.unwrap(), [row]);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcpd.db");
    fs::write(&path, "").unwrap();
    execute(&path, "CREATE TABLE cookies (name TEXT)").await;
    let before = fs::read(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path).await, Err(OpenError::Foreign { .. })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcpd.db");
    let text = "this is my diary and no database at all\n".repeat(100);
    fs::write(&path, &text).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(error.to_string().contains("is damaged or no SQLite database"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let (store, folder) = fresh().await;
    let many: Vec<_> = (0..200).map(|n| put_server(&format!("server-{n}"))).collect();
    store.write(&many, at(0)).await.unwrap();
    store.close().await;
    let path = folder.path().join("mcpd.db");
    let mut bytes = fs::read(&path).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = 0x5a;
    }
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(SqliteStore::open(&path).await, Err(OpenError::Damaged { .. })));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn a_symlink_in_place_of_the_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcpd.db");
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(matches!(SqliteStore::open(&path).await, Err(OpenError::Io { .. })));
    assert!(!folder.path().join("elsewhere").exists());
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_named_and_not_guessed_at() {
    let (store, _folder) = fresh().await;
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    store.put_instance(&instance("abc123", "gitea")).await.unwrap();
    sqlx::query("UPDATE instances SET status = 'MAYBE'").execute(&store.writer).await.unwrap();
    let error = store.list_instances().await.unwrap_err().to_string();
    assert_eq!(error, "listing instances: the store holds a status that makes no sense: MAYBE");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_end_gives_up_at_its_deadline() {
    let error = super::bounded::<()>("writing server x".into(), std::future::pending()).await.unwrap_err();
    assert_eq!(error.to_string(), "writing server x: no answer from the store within 5 s");
}

/// What a crash leaves: the files as they are now, without the shared memory.
fn crashed(folder: &TempDir) -> TempDir {
    let after = tempfile::tempdir().unwrap();
    for name in ["mcpd.db", "mcpd.db-wal"] {
        fs::copy(folder.path().join(name), after.path().join(name)).unwrap();
    }
    after
}

async fn execute(path: &Path, sql: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
