//! Both eras of the handshake, and how it fails.

use std::time::Duration;

use mcpd_mcp::{CallError, ConnectError, ConnectOptions, Connection, known_version};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::peer::{ID_START, Log, Peer, call, connect, greeting, options, raw, result, streams};

/// Opens a connection while the script plays the server.
async fn open<F: AsyncFnOnce(&mut Peer)>(
    options: ConnectOptions,
    script: F,
) -> (Result<Connection, ConnectError>, Peer) {
    let (stdout, stdin, mut peer) = streams();
    let (connection, ()) = tokio::join!(Connection::open(stdout, stdin, options), script(&mut peer));
    (connection, peer)
}

fn pinned(version: &str) -> ConnectOptions {
    ConnectOptions { pinned: known_version(version), ..options() }
}

fn discovery(versions: &[&str]) -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": versions,
        "capabilities": { "tools": {} },
        "instructions": "be kind",
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "new", "version": "2" } },
    })
}

async fn discover(peer: &mut Peer) {
    let id = peer.hear_call("server/discover").await;
    peer.answer(id, discovery(&["2026-07-28"])).await;
}

#[tokio::test(start_paused = true)]
async fn initialize_comes_first_and_offers_the_newest_revision_that_has_it() {
    let (connection, _) = open(options(), async |peer| {
        let message = peer.hear().await;
        assert_eq!(message["id"], ID_START);
        assert_eq!(message["method"], "initialize");
        assert_eq!(message["params"]["protocolVersion"], "2025-11-25");
        assert_eq!(message["params"]["capabilities"], json!({}));
        assert_eq!(message["params"]["clientInfo"]["name"], "mcpd");
        peer.answer(ID_START, greeting("2025-11-25")).await;
        assert_eq!(peer.hear_text().await, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    })
    .await;
    let connection = connection.expect("connected");
    assert_eq!(
        connection.server_info(),
        r#"{"serverInfo":{"name":"gitea","version":"1.0"},"capabilities":{"tools":{"listChanged":true}}}"#
    );
    assert_eq!(connection.transport(), "stdio");
}

#[tokio::test(start_paused = true)]
async fn every_older_revision_is_spoken() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let (connection, _) = open(options(), async |peer| peer.greet(version).await).await;
        assert_eq!(connection.expect("connected").protocol_version(), version);
    }
}

#[tokio::test(start_paused = true)]
async fn where_initialize_is_refused_the_server_is_asked_to_discover() {
    for code in [-32601, -32602, -32600, -32022, -32004, -32000] {
        let (connection, _) = open(options(), async |peer| {
            let id = peer.hear_call("initialize").await;
            peer.refuse(id, code, "no").await;
            discover(peer).await;
        })
        .await;
        let connection = connection.expect("connected");
        assert_eq!(connection.protocol_version(), "2026-07-28");
        assert_eq!(
            connection.server_info(),
            r#"{"serverInfo":{"name":"new","version":"2"},"capabilities":{"tools":{}},"instructions":"be kind"}"#
        );
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_stateless_revision_every_request_carries_its_meta() {
    let (connection, mut peer) = open(pinned("2026-07-28"), discover).await;
    let connection = connection.expect("connected");
    let params = raw(r#"{"name":"x","_meta":{"progressToken":7}}"#);
    let deadline = Duration::from_secs(1);
    let (answer, ()) = tokio::join!(
        connection.request(mcpd_mcp::Caller::Client, "tools/call", Some(&params), deadline),
        async {
            let message = peer.hear().await;
            assert_eq!(message["params"]["name"], "x");
            assert_eq!(
                message["params"]["_meta"],
                json!({
                    "progressToken": 7,
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "mcpd", "version": env!("CARGO_PKG_VERSION") },
                    "io.modelcontextprotocol/clientCapabilities": {},
                })
            );
            peer.answer(message["id"].as_u64().expect("an id"), json!({})).await;
        }
    );
    assert_eq!(result(answer), "{}");
    let list = raw("[1]");
    let refused = connection.request(mcpd_mcp::Caller::Client, "tools/call", Some(&list), deadline).await;
    assert!(matches!(refused, Err(CallError::ParamsNotObject { .. })));
}

#[tokio::test(start_paused = true)]
async fn after_two_seconds_of_silence_the_server_is_asked_to_discover() {
    let began = Instant::now();
    let (connection, _) = open(options(), async |peer| {
        peer.hear_call("initialize").await;
        discover(peer).await;
    })
    .await;
    assert_eq!(connection.expect("connected").protocol_version(), "2026-07-28");
    assert_eq!(began.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_to_start_is_greeted_all_the_same() {
    let (connection, mut peer) = open(options(), async |peer| {
        let initialize = peer.hear_call("initialize").await;
        let discover = peer.hear_call("server/discover").await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        peer.answer(initialize, greeting("2025-06-18")).await;
        peer.refuse(discover, -32601, "method not found").await;
        assert_eq!(peer.hear().await["method"], "notifications/initialized");
    })
    .await;
    let connection = connection.expect("connected");
    assert_eq!(connection.protocol_version(), "2025-06-18");
    let (answer, ()) = tokio::join!(call(&connection, "ping"), async {
        let id = peer.hear_call("ping").await;
        peer.answer(id, json!({})).await;
    });
    assert_eq!(result(answer), "{}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_to_discover_leaves_a_slow_initialize_its_time() {
    let (connection, _) = open(options(), async |peer| {
        let initialize = peer.hear_call("initialize").await;
        let discover = peer.hear_call("server/discover").await;
        peer.refuse(discover, -32602, "not yet").await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        peer.answer(initialize, greeting("2025-06-18")).await;
        assert_eq!(peer.hear().await["method"], "notifications/initialized");
    })
    .await;
    assert_eq!(connection.expect("connected").protocol_version(), "2025-06-18");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_names_an_older_revision_is_followed() {
    let (connection, _) = open(options(), async |peer| {
        let id = peer.hear_call("initialize").await;
        let data = json!({ "supported": ["1999-01-01", "2024-11-05", "2025-03-26"], "requested": "2025-11-25" });
        peer.say(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32602, "message": "no", "data": data } }))
            .await;
        let again = peer.hear().await;
        assert_eq!(again["params"]["protocolVersion"], "2025-03-26");
        peer.answer(again["id"].as_u64().expect("an id"), greeting("2025-03-26")).await;
        assert_eq!(peer.hear().await["method"], "notifications/initialized");
    })
    .await;
    assert_eq!(connection.expect("connected").protocol_version(), "2025-03-26");
}

#[tokio::test(start_paused = true)]
async fn who_refuses_both_ways_is_quoted_on_both() {
    let (connection, _) = open(options(), async |peer| {
        let id = peer.hear_call("initialize").await;
        peer.refuse(id, -32000, "token is required").await;
        let id = peer.hear_call("server/discover").await;
        peer.refuse(id, -32601, "unknown method").await;
    })
    .await;
    assert_eq!(
        connection.expect_err("refused").to_string(),
        "server gitea refused initialize: token is required (code -32000); and server/discover: unknown method (code -32601)"
    );
}

#[tokio::test(start_paused = true)]
async fn the_words_of_a_refusal_are_not_lost_when_discovery_leads_nowhere() {
    let refused = "server gitea refused initialize: token is required (code -32000)";
    let (connection, _) = open(options(), async |peer| {
        let id = peer.hear_call("initialize").await;
        peer.refuse(id, -32000, "token is required").await;
        peer.hear_call("server/discover").await;
    })
    .await;
    assert_eq!(connection.expect_err("silent").to_string(), refused);

    let (stdout, stdin, mut peer) = streams();
    let (connection, ()) = tokio::join!(Connection::open(stdout, stdin, options()), async move {
        let id = peer.hear_call("initialize").await;
        peer.refuse(id, -32000, "token is required").await;
        peer.hear_call("server/discover").await;
    });
    assert_eq!(connection.expect_err("gone").to_string(), refused);
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_timeout_and_initialize_is_never_cancelled() {
    let began = Instant::now();
    let (connection, mut peer) = open(options(), async |peer| {
        peer.hear_call("initialize").await;
        peer.hear_call("server/discover").await;
    })
    .await;
    let error = connection.expect_err("silent");
    assert_eq!(error.to_string(), "server gitea did not answer the handshake within 60s");
    assert_eq!(began.elapsed(), Duration::from_mins(1));
    assert!(peer.hears_the_end().await);
}

#[tokio::test(start_paused = true)]
async fn a_pinned_older_revision_is_the_only_one_tried() {
    let (connection, mut peer) = open(pinned("2025-03-26"), async |peer| {
        let message = peer.hear().await;
        assert_eq!(message["params"]["protocolVersion"], "2025-03-26");
        peer.refuse(ID_START, -32601, "no").await;
    })
    .await;
    assert_eq!(
        connection.expect_err("refused").to_string(),
        "server gitea refused initialize: no (code -32601)"
    );
    assert!(peer.hears_the_end().await);

    let (connection, _) = open(pinned("2025-03-26"), async |peer| {
        let id = peer.hear_call("initialize").await;
        peer.answer(id, greeting("2024-11-05")).await;
    })
    .await;
    assert_eq!(
        connection.expect_err("another one").to_string(),
        "server gitea speaks protocol version 2024-11-05, wanted 2025-03-26"
    );
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_mcpd_does_not_speak_is_named() {
    let (connection, _) = open(options(), async |peer| {
        let id = peer.hear_call("initialize").await;
        peer.answer(id, greeting("2031-01-01")).await;
    })
    .await;
    let error = connection.expect_err("unknown").to_string();
    assert!(
        error.starts_with("server gitea speaks protocol version 2031-01-01, wanted 2024-11-05, "),
        "{error}"
    );

    let (connection, _) = open(pinned("2026-07-28"), async |peer| {
        let id = peer.hear_call("server/discover").await;
        peer.answer(id, discovery(&["2031-01-01", "2032-01-01"])).await;
    })
    .await;
    let error = connection.expect_err("unknown").to_string();
    assert_eq!(error, "server gitea speaks protocol version 2031-01-01, 2032-01-01, wanted 2026-07-28");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_exits_instead_of_answering_is_told_from_a_silent_one() {
    let (stdout, stdin, mut peer) = streams();
    let script = async move {
        peer.hear_call("initialize").await;
    };
    let (connection, ()) = tokio::join!(Connection::open(stdout, stdin, options()), script);
    assert_eq!(
        connection.expect_err("gone").to_string(),
        "server gitea closed its stdout during the handshake"
    );
}

#[tokio::test(start_paused = true)]
async fn noise_before_the_greeting_is_logged_and_skipped() {
    let log = Log::default();
    let (connection, _) = open(log.options(), async |peer| {
        peer.say_bytes(b"Grafana MCP\n{\"level\":\"info\"}\n\nready\n").await;
        peer.greet("2025-11-25").await;
    })
    .await;
    assert_eq!(connection.expect("connected").traffic().noise_lines, 3);
    assert_eq!(log.lines(), ["Grafana MCP", "{\"level\":\"info\"}", "ready"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_shared_by_its_clones() {
    let (connection, mut peer) = connect(options()).await;
    let clone = connection.clone();
    drop(connection);
    let (answer, ()) = tokio::join!(call(&clone, "ping"), async {
        let id = peer.hear_call("ping").await;
        peer.answer(id, json!({})).await;
    });
    assert_eq!(result(answer), "{}");
    drop(clone);
    assert!(peer.hears_the_end().await, "the last one closes it");
}

#[tokio::test(start_paused = true)]
async fn of_what_a_server_says_of_itself_no_more_is_kept_than_there_is_room_for() {
    let log = Log::default();
    let (connection, _) = open(log.options(), async |peer| {
        let id = peer.hear_call("initialize").await;
        let mut greeting = greeting("2025-11-25");
        greeting["instructions"] = json!("i".repeat(300_000));
        peer.answer(id, greeting).await;
    })
    .await;
    assert_eq!(
        connection.expect("connected").server_info(),
        r#"{"serverInfo":{"name":"gitea","version":"1.0"},"capabilities":{"tools":{"listChanged":true}}}"#
    );
    assert_eq!(log.lines(), ["left out the server's instructions of 300002 bytes"]);
}

#[test]
fn every_word_of_a_server_in_an_error_can_be_changed() {
    let (server, words) = ("demo".to_owned(), "long".to_owned());
    let both = ConnectError::RefusedBoth {
        server: server.clone(),
        initialize: words.clone(),
        discover: words.clone(),
    };
    for error in [
        both,
        ConnectError::Refused { server: server.clone(), method: "initialize", words: words.clone() },
        ConnectError::Version {
            server: server.clone(),
            spoken: words.clone(),
            wanted: "2025-11-25".to_owned(),
        },
        ConnectError::Protocol { server, method: "initialize", what: words },
    ] {
        let text = error.map_words(|_| "x".to_owned()).to_string();
        assert!(!text.contains("long"), "{text}");
    }
}
