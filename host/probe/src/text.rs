//! Guest text is untrusted: what a terminal or a browser would act on is taken out, and length is bounded.

use std::time::Duration;

/// The message of a verdict or of a failure.
pub(crate) const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// A word for programs.
const REASON_BYTES_MAX: usize = 64;
/// Shorter than this nothing can be cut sensibly.
pub(crate) const LINE_BYTES_MIN: usize = 16;
/// Says that something was cut off.
const ELLIPSIS: &str = "…";

/// One line: every control character becomes a space.
pub(crate) fn line(text: &str, bytes_max: usize) -> String {
    cleaned(text, bytes_max, |_| false)
}

/// Words as they were given, line breaks and tabs too.
pub(crate) fn words(text: &str) -> String {
    cleaned(text, MESSAGE_BYTES_MAX, |character| matches!(character, '\n' | '\t'))
}

/// A kebab-case word; anything else is no reason and becomes empty.
pub(crate) fn reason(text: &str) -> String {
    let is_word = text.len() <= REASON_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_word { text.to_owned() } else { String::new() }
}

/// A duration as people write it: `10s`, `1.5s`, `250ms`.
pub(crate) fn duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else {
        format!("{}s", (duration.as_secs_f64() * 1000.0).round() / 1000.0)
    }
}

fn cleaned(text: &str, bytes_max: usize, keep: fn(char) -> bool) -> String {
    let text = text.trim_end();
    let fits = text.len() <= bytes_max;
    let kept = if fits { text } else { &text[..text.floor_char_boundary(bytes_max - ELLIPSIS.len())] };
    let safe = |character| if is_unsafe(character) && !keep(character) { ' ' } else { character };
    let mut clean: String = kept.chars().map(safe).collect();
    clean.truncate(clean.trim_end().len());
    if !fits {
        clean.push_str(ELLIPSIS);
    }
    clean
}

/// Control characters, and those that change the direction of text (they make one thing look like another).
fn is_unsafe(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_becomes_a_space() {
        assert_eq!(line("a\u{1b}[31mred\nb\u{202e}c", 100), "a [31mred b c");
        assert_eq!(words("a\u{7}\nb"), "a \nb");
    }

    #[test]
    fn a_text_past_its_bound_is_cut_at_a_character_and_says_so() {
        assert_eq!(line("ääääää", 8), "ää…");
        assert_eq!(words(&"x".repeat(10 << 20)).len(), MESSAGE_BYTES_MAX);
    }

    #[test]
    fn a_duration_reads_as_in_the_specification() {
        assert_eq!(duration(Duration::from_secs(10)), "10s");
        assert_eq!(duration(Duration::from_millis(1_500)), "1.5s");
        assert_eq!(duration(Duration::from_millis(250)), "250ms");
    }

    #[test]
    fn a_reason_is_a_kebab_case_word_or_nothing() {
        assert_eq!(reason("rate-limited-2"), "rate-limited-2");
        assert_eq!(reason("Rate limited"), "");
    }
}
