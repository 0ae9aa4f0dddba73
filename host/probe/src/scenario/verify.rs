//! Whether a probe concluded what its scenario expects.

use mcpd_core::check::Verdict;

use super::document::Expected;
use crate::report::CheckReport;

/// A line for each thing that is not as expected.
pub(super) fn verify(expected: &Expected, report: &CheckReport) -> Vec<String> {
    let kind = kind(report.verdict);
    let checks = [
        differs("verdict", Some(&expected.verdict), report.verdict.as_str()),
        differs("kind", expected.kind.as_ref(), kind),
        differs("reason", expected.reason.as_ref(), &report.reason),
        message(expected, &report.message),
        calls(expected, report.calls.len()),
    ];
    checks.into_iter().flatten().collect()
}

fn kind(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Inconclusive(cause) => cause.as_str(),
        other => other.failure_kind().map_or("", mcpd_core::check::FailureKind::as_str),
    }
}

fn differs(what: &str, expected: Option<&String>, got: &str) -> Option<String> {
    let expected = expected.filter(|expected| *expected != got)?;
    Some(format!("{what}: expected `{expected}`, got `{got}`"))
}

fn message(expected: &Expected, got: &str) -> Option<String> {
    match expected.pattern() {
        Ok(Some(pattern)) if pattern.is_match(got) => None,
        Ok(Some(pattern)) => Some(format!("message: expected /{pattern}/, got `{got}`")),
        _ => differs("message", expected.message.as_ref(), got),
    }
}

fn calls(expected: &Expected, made: usize) -> Option<String> {
    let max = expected.max_calls.filter(|max| made > *max)?;
    Some(format!("calls: expected {max} at most, got {made}"))
}
