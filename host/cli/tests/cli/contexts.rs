//! `config`, and the data folder of a daemon of the same user.

use std::fs;

use serde_json::json;

use crate::fake::Fake;
use crate::run::run;

#[tokio::test]
async fn a_context_is_written_chosen_used_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let home = [("XDG_CONFIG_HOME", folder.path().to_str().unwrap())];
    let fake = Fake::start().await;
    fake.json("GET /servers", json!({"items": []}));
    let set = ["config", "set-context", "prod", "--url", &fake.url, "--token", "of-prod"];
    assert_eq!(run(&set, &home, "").await.code, 0);
    assert_eq!(run(&["config", "use-context", "nobody"], &home, "").await.code, 3);
    assert_eq!(run(&["config", "use-context", "prod"], &home, "").await.code, 0);
    let listed = run(&["config", "get-contexts"], &home, "").await.stdout;
    assert!(listed.contains(&format!("*        prod  {}\n", fake.url)), "{listed}");

    assert_eq!(run(&["get", "servers"], &home, "").await.code, 0);
    assert_eq!(fake.asked()[0].authorization.as_deref(), Some("Bearer of-prod"));
    assert_eq!(run(&["config", "delete-context", "prod"], &home, "").await.code, 0);
    assert_eq!(run(&["config", "current-context"], &home, "").await.code, 3);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_with_tokens_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let home = [("XDG_CONFIG_HOME", folder.path().to_str().unwrap())];
    run(&["config", "set-context", "a", "--url", "http://a", "--token", "t"], &home, "").await;
    let mode = fs::metadata(folder.path().join("mcpctl/config.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_daemon_of_the_same_user_is_found_by_its_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::start().await;
    fake.json("GET /servers", json!({"items": []}));
    fs::create_dir(folder.path().join("mcpd")).unwrap();
    fs::write(folder.path().join("mcpd/daemon.json"), json!({"url": fake.url, "pid": 1}).to_string())
        .unwrap();
    fs::write(folder.path().join("mcpd/admin.token"), "of-the-folder\n").unwrap();
    let home = [("XDG_DATA_HOME", folder.path().to_str().unwrap())];
    let ended = run(&["get", "servers"], &home, "").await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(fake.asked()[0].authorization.as_deref(), Some("Bearer of-the-folder"));
}
