//! "Did you mean …": the known word nearest to a mistyped one.

/// How alike two words have to be, from 0 (nothing in common) to 1 (the same).
const LIKENESS_MIN: f64 = 0.7;

/// Words longer than this are not compared: nobody mistypes them, and the cost is the product of lengths.
const COMPARED_BYTES_MAX: usize = 128;

/// A question to go behind `unknown key`, as `mcpd-api` asks it of manifests, or nothing when no known word is near.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|candidate| format!(", did you mean `{candidate}`?")).unwrap_or_default()
}

fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > COMPARED_BYTES_MAX {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (strsim::normalized_damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate)
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}
