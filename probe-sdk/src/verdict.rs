//! Short ways to say a verdict.

use crate::{Finding, Verdict};

/// It works.
pub fn pass(message: impl Into<String>) -> Verdict {
    Verdict::Pass(finding(message))
}

/// It works, with something to look at.
pub fn warn(message: impl Into<String>) -> Verdict {
    Verdict::Warn(finding(message))
}

/// It does not work.
pub fn fail(message: impl Into<String>) -> Verdict {
    Verdict::Fail(finding(message))
}

/// The check could not tell.
pub fn unknown(message: impl Into<String>) -> Verdict {
    Verdict::Unknown(finding(message))
}

fn finding(message: impl Into<String>) -> Finding {
    Finding { message: message.into(), reason: String::new(), details: None }
}
