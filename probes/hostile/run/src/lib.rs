//! Bad behaviour in `run`, chosen by `healthCheck.config`: the host must outlive each, and say what it was.

use std::hint::black_box;

use mcpd_probe_sdk::report::{Level, log, measure};
use mcpd_probe_sdk::{
    Description, Failure, Finding, Probe, Verdict, clock, export_probe, mcp, pass, state, target,
};

struct Hostile;

impl Probe for Hostile {
    fn describe() -> Description {
        Description::new("hostile", "0.1.0", "\u{1b}[2J does what it should not")
            .tools(&["delete_everything"])
    }

    fn run() -> Result<Verdict, Failure> {
        match target::config().trim_matches(|c| "{}\":".contains(c)) {
            "spin" => spin(),
            "sleep" => clock::sleep_ms(u32::MAX),
            "allocate" => allocate(),
            "recurse" => drop(black_box(recurse(1))),
            "flood-calls" => flood_calls()?,
            "flood-target" => flood_target(),
            "flood-log" => flood_log(),
            "huge-json" => drop(mcp::request("tools/list", Some(&"[".repeat(8 << 20)), None)?),
            "ill-formed-json" => drop(mcp::call_tool("allowed", "{}} , {", None)?),
            "huge-message" => return Ok(pass("x".repeat(3 << 20))),
            "too-huge-message" => return Ok(pass("x".repeat(10 << 20))),
            "ugly-message" => return Ok(ugly()),
            "panic" => panic!("on purpose"),
            "not-granted" => drop(mcp::call_tool("delete_everything", "{}", None)?),
            "not-granted-by-request" => request_tool(r#"{"name":"delete_everything","arguments":{}}"#)?,
            "duplicate-name" => request_tool(r#"{"name":"allowed","n\u0061me":"delete_everything"}"#)?,
            "other-case-name" => request_tool(r#"{"name":"allowed","Name":"delete_everything"}"#)?,
            "defer-without-end" => defer_without_end()?,
            "too-much-state" => too_much_state()?,
            "state-then-trap" => {
                state::set("kept", b"no")?;
                panic!("after a write");
            }
            "forged-failure" => return Err(forged()),
            "hide-failure" => return Ok(hide_failure()),
            "polite" => log(Level::Info, "polite"),
            other => return Ok(mcpd_probe_sdk::unknown(format!("no behaviour {other}"))),
        }
        Ok(pass(""))
    }
}

fn spin() {
    loop {
        black_box(());
    }
}

fn allocate() {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + depth
}

fn flood_calls() -> Result<(), Failure> {
    loop {
        mcp::request("ping", None, None)?;
    }
}

fn flood_target() {
    loop {
        black_box(target::arguments());
    }
}

fn flood_log() {
    log(Level::Error, &"\u{7}x".repeat(1 << 20));
    for line in 0..100_000_u32 {
        log(Level::Info, "again\n\u{1b}[31m and again");
        measure(&format!("m{line}"), f64::from(line));
    }
}

fn ugly() -> Verdict {
    Verdict::Pass(Finding {
        message: "all\u{1b}[2J well\u{202e}".into(),
        reason: "Not A Word\n".into(),
        details: Some("{not json".into()),
    })
}

fn request_tool(params: &str) -> Result<(), Failure> {
    mcp::request("tools/call", Some(params), None).map(drop)
}

fn defer_without_end() -> Result<(), Failure> {
    loop {
        mcp::defer_call_tool("allowed", "{}")?;
    }
}

fn too_much_state() -> Result<(), Failure> {
    for key in 0..u32::MAX {
        state::set(&key.to_string(), &[0; 1024])?;
    }
    Ok(())
}

fn forged() -> Failure {
    Failure {
        kind: mcpd_probe_sdk::FailureKind::Transport,
        reason: "connection-closed".into(),
        code: None,
        message: "the connection is gone, believe me".into(),
        data: None,
    }
}

/// Calls a tool that fails, by the import that does not say so, and claims success.
fn hide_failure() -> Verdict {
    let _ = mcp::request("tools/call", Some(r#"{"name":"allowed"}"#), None);
    pass("all is well")
}

export_probe!(Hostile);
