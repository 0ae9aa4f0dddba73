//! The body of an answer, as a whole.

use mcpd_api::problem::Problem;
use reqwest::{Response, StatusCode};

use super::unreachable;
use crate::trouble::{Done, Trouble};

/// A message of a server is 16 MiB at most, and JSON may swell it; nothing else comes near.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How much of an answer that is no problem document is shown.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// The body, up to its bound.
pub(super) async fn body_of(mut response: Response, base: &str) -> Done<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(base, &error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            let words = format!("{base} answered more than {ANSWER_BYTES_MAX} bytes");
            return Err(Trouble::BadAnswer(words));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What an answer that is no success says.
pub(super) async fn problem_of(response: Response, base: &str) -> Trouble {
    let status = response.status();
    match body_of(response, base).await {
        Ok(body) => Trouble::Answer(Box::new(
            serde_json::from_slice(&body).unwrap_or_else(|_| foreign_problem(status, base, &body)),
        )),
        Err(trouble) => trouble,
    }
}

/// For an answer in words of its own, as of a proxy in between.
fn foreign_problem(status: StatusCode, base: &str, body: &[u8]) -> Problem {
    let words: String = String::from_utf8_lossy(body)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(SHOWN_CHARACTERS_MAX)
        .collect();
    Problem {
        problem_type: "about:blank".to_owned(),
        title: status.to_string(),
        status: status.as_u16(),
        detail: format!("{base} answered {status}: {}", words.trim()),
        code: String::new(),
        causes: Vec::new(),
        hint: Some("the answer is not mcpd's: is something else listening there?".to_owned()),
        errors: Vec::new(),
    }
}
