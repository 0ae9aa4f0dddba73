//! Checks, in short and in full.

use std::time::Duration;

use mcpd_api::view::{CallView, CheckView, LastCheck, LogView, MeasureView, Verdict};
use mcpd_core::check::{self, CallRecord, CheckRecord};
use serde_json::Value;

/// A check in full.
pub(crate) fn check_view(record: &CheckRecord) -> CheckView {
    CheckView {
        at: record.at,
        duration_ms: milliseconds(record.duration),
        verdict: verdict_of(record.verdict),
        message: record.message.clone(),
        reason: record.reason.clone(),
        kind: kind_of(record.verdict),
        details: record.details.as_deref().map(details_of),
        probe: record.probe.clone(),
        digest: (!record.digest.is_empty()).then(|| record.digest.clone()),
        manual: record.manual,
        calls: record.calls.iter().map(call_view).collect(),
        logs: record.logs.iter().map(log_view).collect(),
        measures: record.measures.iter().map(measure_view).collect(),
    }
}

/// The last check of an instance in short.
pub(super) fn last_check(record: &CheckRecord) -> LastCheck {
    LastCheck {
        verdict: verdict_of(record.verdict),
        message: record.message.clone(),
        reason: record.reason.clone(),
        kind: kind_of(record.verdict),
        at: record.at,
        duration_ms: milliseconds(record.duration),
        probe: record.probe.clone(),
        tool: record.calls.iter().rev().find_map(|call| call.tool.clone()),
    }
}

fn call_view(call: &CallRecord) -> CallView {
    CallView {
        method: call.method.clone(),
        tool: call.tool.clone(),
        duration_ms: milliseconds(call.duration),
        outcome: call.failure.as_ref().map_or("ok", |failure| failure.kind.as_str()).to_owned(),
        message: call.failure.as_ref().map(|failure| failure.message.clone()),
        deferred: call.deferred,
    }
}

fn log_view(line: &check::LogLine) -> LogView {
    let level = match line.level {
        check::LogLevel::Debug => "debug",
        check::LogLevel::Info => "info",
        check::LogLevel::Warn => "warn",
        check::LogLevel::Error => "error",
    };
    LogView { level: level.to_owned(), message: line.message.clone() }
}

fn measure_view(measure: &check::Measure) -> MeasureView {
    MeasureView { name: measure.name.clone(), value: measure.value }
}

/// The failure kind, or why it was inconclusive.
fn kind_of(verdict: check::Verdict) -> Option<String> {
    let kind = match verdict {
        check::Verdict::Inconclusive(why) => Some(why.as_str()),
        other => other.failure_kind().map(check::FailureKind::as_str),
    };
    kind.map(str::to_owned)
}

fn verdict_of(verdict: check::Verdict) -> Verdict {
    match verdict {
        check::Verdict::Pass => Verdict::Pass,
        check::Verdict::Warn => Verdict::Warn,
        check::Verdict::Fail => Verdict::Fail,
        check::Verdict::Unknown => Verdict::Unknown,
        check::Verdict::Failure(_) => Verdict::Failure,
        check::Verdict::Inconclusive(_) => Verdict::Inconclusive,
    }
}

/// Evidence is JSON by contract; what is not is shown as the text it is.
fn details_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn a_failed_tool_is_shown_with_its_words_and_kind() {
        let record = check(check::Verdict::Failure(check::FailureKind::Tool), "token is required");
        insta::assert_json_snapshot!(check_view(&record), @r#"
        {
          "at": "1970-01-01T00:00:00Z",
          "durationMs": 1.5,
          "verdict": "failure",
          "message": "token is required",
          "reason": "",
          "kind": "tool",
          "details": null,
          "probe": "tool-call",
          "digest": null,
          "manual": false,
          "calls": [
            {
              "method": "tools/call",
              "tool": "whoami",
              "durationMs": 1.0,
              "outcome": "tool",
              "message": "token is required",
              "deferred": false
            }
          ],
          "logs": [],
          "measures": []
        }
        "#);
        insta::assert_json_snapshot!(last_check(&record), @r#"
        {
          "verdict": "failure",
          "message": "token is required",
          "reason": "",
          "kind": "tool",
          "at": "1970-01-01T00:00:00Z",
          "durationMs": 1.5,
          "probe": "tool-call",
          "tool": "whoami"
        }
        "#);
    }

    #[test]
    fn evidence_that_is_no_json_is_shown_as_text() {
        assert_eq!(details_of("{\"a\":1}"), serde_json::json!({"a": 1}));
        assert_eq!(details_of("oops"), serde_json::json!("oops"));
    }
}
