//! A stdio MCP server that misbehaves in one way, named by its first argument, and is proper otherwise.
//!
//! It speaks revision 2025-11-25 by `initialize` and has two tools: `echo` (gives `arguments.text`
//! back) and `get_me` (answers `octocat`). At the end of stdin it exits with code 0.
//!
//! | mode | what is wrong with it |
//! |---|---|
//! | `plain` | nothing |
//! | `no-token` | `get_me` fails with "token is required" when the variable TOKEN is empty or absent |
//! | `slow MS` | each `tools/call` takes MS milliseconds, one after the other |
//! | `noise` | text, JSON that is not JSON-RPC and invalid UTF-8 on stdout around each answer |
//! | `huge-line` | answers `tools/call` with a line of 100 MiB |
//! | `out-of-order` | collects requests for 50 ms and answers the last one first |
//! | `unknown-ids` | sends answers to ids that nobody gave before each answer |
//! | `half-message-exit` | writes half of the answer to a `tools/call`, then exits with code 0 |
//! | `never-answer` | answers `initialize`, then nothing |
//! | `silent` | never answers anything |
//! | `close-stdin` | closes its stdin after the handshake and lives on |
//! | `close-stdout` | closes its stdout after the handshake and lives on until stdin ends |
//! | `exit-unless-initialize` | exits with code 1 when the first message is not `initialize` |
//! | `ignore-term` | blocks SIGTERM and lives on after stdin has ended |
//! | `fork-children [MARK]` | leaves three processes behind: a child that holds its stdout, a child in a session of its own, and an orphan in one; MARK is their last argument, to find them by |
//! | `notification-flood` | sends 1,000 notifications a second, from the start on |
//! | `stateless` | speaks only 2026-07-28: `server/discover`, and `_meta` in every request |
//! | `exit-after MS [CODE]` | exits after MS milliseconds with CODE (1) |
//! | `requests` | sends four requests of its own before each `tools/call` answer, and gives what it was answered as the text of `get_me` |

use std::io::{self, BufRead, Write};
use std::process::{Command, Stdio, exit};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use serde_json::{Value, json};

const STATELESS: &str = "2026-07-28";
const HUGE_BYTES: usize = 100 << 20;
const CHUNK_BYTES: usize = 64 << 10;
const COLLECTED: Duration = Duration::from_millis(50);
/// Ten notifications each ten milliseconds are 1,000 a second.
const FLOOD_TICK: Duration = Duration::from_millis(10);
const FLOOD_PER_TICK: usize = 10;
/// What is left behind ends by itself some time, so that a failing test does not fill the machine.
const LINGER: Duration = Duration::from_mins(5);
/// What the mode `requests` asks of its client.
const REQUESTS: [&str; 4] = ["ping", "roots/list", "sampling/createMessage", "elicitation/create"];

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize| arguments.get(at).map_or("", String::as_str);
    let number = |at: usize, default: u64| argument(at).parse().unwrap_or(default);
    match argument(0) {
        "linger" => linger(argument(1)),
        "orphan" => leave_behind(&["linger", "own-session", argument(2)], Stdio::null()),
        "out-of-order" => serve_out_of_order(),
        "requests" => serve_with_requests(),
        mode => {
            start(mode, argument(1), number(1, 0), number(2, 1))?;
            serve(mode, Duration::from_millis(number(1, 0)))
        }
    }
}

/// What some modes do before the first message.
fn start(mode: &str, mark: &str, delay_ms: u64, code: u64) -> io::Result<()> {
    match mode {
        "noise" => make_noise(),
        "ignore-term" => Ok(SigSet::from(Signal::SIGTERM).thread_block()?),
        "notification-flood" => {
            thread::spawn(flood);
            Ok(())
        }
        "exit-after" => {
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(delay_ms));
                exit(i32::try_from(code).unwrap_or(1))
            });
            Ok(())
        }
        "fork-children" => {
            leave_behind(&["linger", "same-session", mark], Stdio::inherit())?;
            leave_behind(&["linger", "own-session", mark], Stdio::null())?;
            leave_behind(&["orphan", "own-session", mark], Stdio::null())
        }
        _ => Ok(()),
    }
}

/// One message after the other, each answered before the next is read.
fn serve(mode: &str, delay: Duration) -> io::Result<()> {
    let mut is_first = true;
    for line in io::stdin().lock().lines() {
        let message = parse(&line?);
        let method = message["method"].as_str().unwrap_or_default();
        if mode == "exit-unless-initialize" && is_first && method != "initialize" {
            eprintln!("expected initialize first, got {method}");
            exit(1);
        }
        is_first = false;
        if !is_ignored(mode, method) && message.get("id").is_some() {
            respond(mode, delay, method, &message)?;
        }
        if method == "notifications/initialized" {
            close_a_stream(mode)?;
        }
    }
    if mode == "ignore-term" {
        thread::sleep(LINGER);
    }
    Ok(())
}

fn is_ignored(mode: &str, method: &str) -> bool {
    mode == "silent" || (mode == "never-answer" && method != "initialize")
}

fn respond(mode: &str, delay: Duration, method: &str, message: &Value) -> io::Result<()> {
    let id = &message["id"];
    let is_call = method == "tools/call";
    match mode {
        "huge-line" if is_call => return say_huge(id),
        "half-message-exit" if is_call => {
            let answer = answer(id, handle(method, message)).to_string();
            print(&answer.as_bytes()[..answer.len() / 2])?;
            exit(0);
        }
        "stateless" => return say(&answer(id, handle_stateless(method, message))),
        "slow" if is_call => thread::sleep(delay),
        "noise" => make_noise()?,
        "unknown-ids" => say_unknown(id)?,
        "no-token" if is_call && message["params"]["name"] == "get_me" && !has_token() => {
            return say(&answer(id, Ok(content("token is required", true))));
        }
        _ => {}
    }
    say(&answer(id, handle(method, message)))?;
    if mode == "noise" { make_noise() } else { Ok(()) }
}

type Refusal = (i64, String);

/// The proper answer.
fn handle(method: &str, message: &Value) -> Result<Value, Refusal> {
    match method {
        "initialize" => Ok(json!({
            "protocolVersion": "2025-11-25",
            "serverInfo": server_info(),
            "capabilities": { "tools": {} },
        })),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": [tool("echo"), tool("get_me")] })),
        "tools/call" => call(&message["params"]),
        _ => Err((-32601, format!("method {method} not found"))),
    }
}

fn handle_stateless(method: &str, message: &Value) -> Result<Value, Refusal> {
    let version = &message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
    match method {
        "initialize" | "ping" => Err((-32601, format!("method {method} not found"))),
        _ if version.is_null() => Err((-32602, "request _meta is missing".to_owned())),
        _ if version != STATELESS => Err((-32022, "unsupported protocol version".to_owned())),
        "server/discover" => Ok(json!({
            "resultType": "complete",
            "supportedVersions": [STATELESS],
            "capabilities": { "tools": {} },
            "ttlMs": 0,
            "cacheScope": "private",
            "_meta": { "io.modelcontextprotocol/serverInfo": server_info() },
        })),
        _ => handle(method, message),
    }
}

fn call(params: &Value) -> Result<Value, Refusal> {
    match params["name"].as_str().unwrap_or_default() {
        "echo" => Ok(content(params["arguments"]["text"].as_str().unwrap_or_default(), false)),
        "get_me" => Ok(content("octocat", false)),
        other => Err((-32602, format!("unknown tool {other}"))),
    }
}

fn server_info() -> Value {
    json!({ "name": "hostile-server", "version": "1" })
}

fn tool(name: &str) -> Value {
    json!({ "name": name, "inputSchema": { "type": "object" } })
}

fn content(text: &str, is_error: bool) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": is_error })
}

#[expect(clippy::disallowed_methods, reason = "the variable is what this mode is about")]
fn has_token() -> bool {
    std::env::var("TOKEN").is_ok_and(|token| !token.is_empty())
}

fn serve_out_of_order() -> io::Result<()> {
    let lines = lines_of_stdin();
    while let Ok(first) = lines.recv() {
        let mut collected = vec![first];
        while let Ok(line) = lines.recv_timeout(COLLECTED) {
            collected.push(line);
        }
        for message in collected.iter().rev().map(|line| parse(line)) {
            let method = message["method"].as_str().unwrap_or_default();
            if let Some(id) = message.get("id") {
                say(&answer(id, handle(method, &message)))?;
            }
        }
    }
    Ok(())
}

fn lines_of_stdin() -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn serve_with_requests() -> io::Result<()> {
    let (mut calls, mut heard): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
    for line in io::stdin().lock().lines() {
        let message = parse(&line?);
        let Some(id) = message.get("id") else { continue };
        match message["method"].as_str() {
            Some("tools/call") => {
                calls.push(message.clone());
                for method in REQUESTS {
                    say(&json!({ "jsonrpc": "2.0", "id": format!("mine-{method}"), "method": method }))?;
                }
            }
            Some(method) => say(&answer(id, handle(method, &message)))?,
            None => heard.push(format!("{}: {}", id.as_str().unwrap_or("?"), words(&message))),
        }
        if heard.len() >= REQUESTS.len() && !calls.is_empty() {
            let text = heard.drain(..REQUESTS.len()).collect::<Vec<_>>().join(", ");
            say(&answer(&calls.remove(0)["id"], Ok(content(&text, false))))?;
        }
    }
    Ok(())
}

/// The outcome of one of our own requests.
fn words(answer: &Value) -> String {
    answer.get("result").unwrap_or(&answer["error"]["code"]).to_string()
}

fn close_a_stream(mode: &str) -> io::Result<()> {
    match mode {
        "close-stdin" => {
            nix::unistd::close(0)?;
            thread::sleep(LINGER);
            exit(0)
        }
        "close-stdout" => Ok(nix::unistd::close(1)?),
        _ => Ok(()),
    }
}

fn make_noise() -> io::Result<()> {
    print(b"listening on port 80\n{\"level\":\"info\",\"id\":1,\"message\":\"not JSON-RPC\"}\n\n")?;
    print(b"[INFO] \xff\xfe\xc3\x28 no UTF-8\n[1, 2]\nnull\n\"text\"\n{\"jsonrpc\":\"2.0\",\"id\":\n")
}

fn say_unknown(id: &Value) -> io::Result<()> {
    let number = id.as_u64().unwrap_or_default();
    for id in [json!(number + 1000), json!(number.to_string()), json!(-1), Value::Null, json!({})] {
        say(&json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [], "isError": true } }))?;
    }
    Ok(())
}

fn say_huge(id: &Value) -> io::Result<()> {
    print(
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":""#).as_bytes(),
    )?;
    let chunk = vec![b'x'; CHUNK_BYTES];
    for _ in 0..HUGE_BYTES / CHUNK_BYTES {
        print(&chunk)?;
    }
    print(b"\"}]}}\n")
}

fn flood() {
    let notification = json!({
        "jsonrpc": "2.0",
        "method": "notifications/message",
        "params": { "level": "info", "data": "flood" },
    });
    while (0..FLOOD_PER_TICK).all(|_| say(&notification).is_ok()) {
        thread::sleep(FLOOD_TICK);
    }
}

/// Starts this program once more and does not wait for it.
#[expect(clippy::disallowed_methods, reason = "leaving processes behind is what this mode is about")]
fn leave_behind(arguments: &[&str], stdout: Stdio) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null());
    command.spawn().map(drop)
}

fn linger(session: &str) -> io::Result<()> {
    if session == "own-session" {
        nix::unistd::setsid()?;
    }
    thread::sleep(LINGER);
    Ok(())
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_default()
}

fn answer(id: &Value, outcome: Result<Value, Refusal>) -> Value {
    match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => {
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
        }
    }
}

fn say(message: &Value) -> io::Result<()> {
    print(format!("{message}\n").as_bytes())
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}
