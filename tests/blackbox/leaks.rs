//! A secret is seen by the server that needs it, and by nobody else, whatever that server does with it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::harness::{Daemon, Launch, Place, SOON, hostile, id, message, secret, secret_env, until, with};

/// Nothing else on this machine holds it.
pub(crate) const CANARY: &str = "c4n4ry-7f3a/9b2e+51d0=66c8";

/// Prints its token, answers with it, and fails with it, in each form it may come in.
const BLABBER: &str = r#"
printf 'my token is %s\n' "$TOKEN" >&2
printf 'plain noise with %s\n' "$TOKEN"
while read -r line; do
  id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
  case "$line" in
    *'"initialize"'*) r='"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"'$TOKEN'","version":"1"}}' ;;
    *'"fail"'*) r='"error":{"code":-32000,"message":"refused '$TOKEN'","data":{"token":"'$TOKEN'"}}' ;;
    *'"die"'*) printf 'dying of %s\n' "$TOKEN" >&2; exit 3 ;;
    *tools/list*) r='"result":{"tools":[{"name":"say","description":"'$TOKEN'","inputSchema":{"type":"object"}}]}' ;;
    *) r='"result":{"isError":true,"content":[{"type":"text","text":"bad token '$TOKEN'"}]}' ;;
  esac
  [ -n "$id" ] && printf '{"jsonrpc":"2.0","id":%s,%s}\n' "$id" "$r"
done
"#;

#[tokio::test]
async fn a_secret_shows_nowhere_but_in_its_server() {
    let daemon = Launch::serve().argument("--log").argument("trace").start(&Place::new()).await;
    daemon.apply(&[secret("creds", CANARY), blabber()]).await;
    let view = daemon.instance("blabber", |view| view["healthStatus"] == "unhealthy").await;
    assert!(message(&view).starts_with("bad token "), "{view:#}");
    let logs = until("its words are in its log", SOON, async || {
        let logs = daemon.ctl("logs blabber").await.done();
        logs.contains("my token is").then_some(logs)
    });
    clean("the log of the server", &logs.await);
    clean("a failed check", &daemon.ctl("check blabber").await.stdout);
    the_client_gets_what_the_server_said(&daemon, id(&view)).await;
    nothing_that_mcpd_shows_holds_it(&daemon, id(&view)).await;
    no_command_line_holds_it(&daemon);

    let die = json!({ "method": "tools/call", "params": { "name": "die" }, "instance": id(&view), "timeoutSeconds": 5 });
    clean("a broken call", &daemon.post("/servers/blabber/mcp", die).await.text());
    daemon.instance("blabber", |view| view["events"].to_string().contains("dying of")).await;
    nothing_that_mcpd_shows_holds_it(&daemon, id(&view)).await;
    nothing_on_disk_holds_it(&daemon);
    clean("the log of mcpd", &daemon.stderr.text());
    assert!(daemon.stderr.text().contains("DEBUG"), "the log was not as chatty as it can be");
}

fn blabber() -> Value {
    let server = with(hostile("blabber", "plain"), "command", json!(["sh", "-c", BLABBER]));
    let server = with(server, "env", secret_env("TOKEN", "creds"));
    with(server, "healthCheck", json!({ "tool": "say", "intervalSeconds": 0.2, "failureThreshold": 2 }))
}

/// Fails where the secret is in `text`, plain or in a form that gives it away.
pub(crate) fn clean(what: &str, text: &str) {
    let forms = [CANARY.to_owned(), BASE64_STANDARD.encode(CANARY), url_encoded(CANARY)];
    for form in forms {
        assert!(!text.contains(&form), "{what} holds the secret as {form}: {}", around(text, &form));
    }
}

fn around<'a>(text: &'a str, form: &str) -> &'a str {
    text.lines().find(|line| line.contains(form)).unwrap_or_default()
}

fn url_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// What a client asked for is relayed unchanged to that client, and to nobody else (behaviour 3.6).
async fn the_client_gets_what_the_server_said(daemon: &Daemon, instance: &str) {
    for name in ["say", "fail"] {
        let call = json!({ "method": "tools/call", "params": { "name": name }, "instance": instance });
        let answer = daemon.post("/servers/blabber/mcp", call).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.text().contains(CANARY), "{answer:?}");
    }
}

pub(crate) async fn nothing_that_mcpd_shows_holds_it(daemon: &Daemon, instance: &str) {
    let own = format!("/instances/{instance}");
    let (checks, logs) = (format!("{own}/checks"), format!("{own}/logs"));
    let paths = [
        "/servers",
        "/servers/blabber/why",
        "/servers/blabber/health",
        "/instances",
        "/secrets",
        "/secrets/creds",
    ];
    for path in paths.into_iter().chain(["/secretbackends", "/status", "/events", &own, &checks, &logs]) {
        clean(path, &daemon.get(path).await.text());
    }
    let metrics = daemon.send(daemon.request(reqwest::Method::GET, "/metrics")).await;
    clean("/metrics", &metrics.text());
    for command in
        ["describe server blabber", "describe inst blabber", "why blabber", "get servers -o yaml", "events"]
    {
        let ran = daemon.ctl(command).await;
        clean(command, &(ran.stdout + &ran.stderr));
    }
}

fn no_command_line_holds_it(daemon: &Daemon) {
    let processes = daemon.place.processes();
    assert!(processes.len() > 2, "mcpd, a guardian and a server at least: {processes:#?}");
    for process in processes {
        clean("a command line", &process.command);
    }
}

pub(crate) fn nothing_on_disk_holds_it(daemon: &Daemon) {
    let files = files(&daemon.place.data());
    assert!(files.iter().any(|file| file.ends_with("mcpd.db")), "{files:?}");
    for file in &files {
        clean(&file.display().to_string(), &String::from_utf8_lossy(&fs::read(file).unwrap()));
    }
    for name in ["sealed.key", "admin.token"] {
        let mode = fs::metadata(daemon.place.data().join(name)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let (folders, files): (Vec<_>, Vec<_>) =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).partition(|path| path.is_dir());
    folders.iter().flat_map(|folder| self::files(folder)).chain(files).filter(|path| path.is_file()).collect()
}
