//! Secret values and the redactor that keeps them out of everything people read.

mod escapes;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

/// Values shorter than this are not masked: they would blot out ordinary words (behaviour 3.6).
pub const MASKED_CHARACTERS_MIN: usize = 6;

/// What stands in place of a masked value.
pub const MASK: &str = "•••";

/// How often the escapes of a text are resolved to look for secrets: JSON within JSON within JSON.
const ESCAPES_RESOLVED_MAX: usize = 3;

/// A secret value: wiped on drop, never printed, not serialisable (behaviour 3.6).
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Arc<Zeroizing<String>>);

impl SecretValue {
    /// Takes the value over.
    pub fn new(value: String) -> Self {
        Self(Arc::new(Zeroizing::new(value)))
    }

    /// The value itself, for the one place that has to hand it on.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is the empty string, which is a failure unless allowed (behaviour 3.4).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(redacted)")
    }
}

/// Masks the secrets it was built from, in any of the shapes they commonly take: plain, JSON-escaped by
/// whichever writer, URL-encoded, base64 (standard and URL-safe, at each of the three alignments), and line by
/// line where a value has several lines.
#[derive(Clone, Default)]
pub struct Redactor(Masking);

#[derive(Clone, Default)]
enum Masking {
    #[default]
    Nothing,
    Patterns(Arc<Patterns>),
    /// The patterns are more than can be searched for: rather no text than one with a secret in it.
    Everything,
}

struct Patterns {
    automaton: AhoCorasick,
    /// The most bytes of a text that one of them takes.
    longest_bytes: usize,
}

impl Redactor {
    /// Builds it from the values of one instance.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a SecretValue>) -> Self {
        let mut patterns: Vec<Zeroizing<String>> = Vec::new();
        for value in values {
            push_shapes(value.expose(), &mut patterns);
            for line in value.expose().lines().filter(|line| line.len() != value.expose().len()) {
                push_shapes(line.trim(), &mut patterns);
            }
        }
        patterns.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        patterns.dedup_by(|a, b| a.as_str() == b.as_str());
        Self(Masking::of(&patterns))
    }

    /// Whether there is nothing to mask.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Masking::Nothing)
    }

    /// The text with every secret masked; borrowed when there is none in it.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match &self.0 {
            Masking::Nothing => Cow::Borrowed(text),
            Masking::Everything => Cow::Borrowed(MASK),
            Masking::Patterns(patterns) => {
                let found = patterns.find(text, ESCAPES_RESOLVED_MAX);
                if found.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(without(text, &found)) }
            }
        }
    }

    /// Like [`Self::mask`], for a JSON text, which stays one. `None` where a secret stands as a bare number or
    /// goes over the bounds of a string, so that its mask would not be JSON.
    pub fn mask_json<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        let masked = match self.mask(text) {
            Cow::Borrowed(same) if !matches!(self.0, Masking::Everything) => {
                return Some(Cow::Borrowed(same));
            }
            masked => masked,
        };
        serde_json::from_str::<IgnoredAny>(&masked).is_ok().then_some(masked)
    }

    /// Like [`Self::mask`], for the first part of a text that was cut off: what could be the first part of a
    /// secret is left out at its end. Gives how many bytes those are.
    pub fn mask_cut(&self, text: &str) -> (String, usize) {
        let Masking::Patterns(patterns) = &self.0 else { return (self.mask(text).into_owned(), 0) };
        let kept = text.floor_char_boundary(text.len().saturating_sub(patterns.longest_bytes));
        let mut found = patterns.find(text, ESCAPES_RESOLVED_MAX);
        found.retain(|range| range.start < kept);
        let end = found.last().map_or(kept, |range| range.end.max(kept));
        (without(&text[..end], &found), text.len() - end)
    }

    /// Like [`Self::mask`], for a text that is owned already.
    pub fn mask_owned(&self, text: String) -> String {
        match (&self.0, self.mask(&text)) {
            (Masking::Nothing | Masking::Patterns(_), Cow::Borrowed(_)) => text,
            (_, masked) => masked.into_owned(),
        }
    }
}

impl Masking {
    /// A plain automaton, not the faster table that would be built for few patterns: for a key of 2 KiB that
    /// table takes 9 MB, and this a quarter of one.
    fn of(patterns: &[Zeroizing<String>]) -> Self {
        if patterns.is_empty() {
            return Self::Nothing;
        }
        AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::LeftmostLongest)
            .build(patterns.iter().map(|pattern| pattern.as_bytes()))
            .map_or(Self::Everything, |automaton| {
                let longest_bytes = patterns.iter().map(|pattern| escapes::escaped_bytes_max(pattern)).max();
                let longest_bytes = longest_bytes.unwrap_or_default();
                Self::Patterns(Arc::new(Patterns { automaton, longest_bytes }))
            })
    }
}

impl Patterns {
    /// Where secrets stand in the text as it is, and in the text with its escapes resolved.
    fn find(&self, text: &str, resolve_max: usize) -> Vec<Range<usize>> {
        let mut found: Vec<_> = self.automaton.find_iter(text).map(|found| found.range()).collect();
        if resolve_max > 0 && text.contains('\\') {
            let inner = self.find(&escapes::resolved(text), resolve_max - 1);
            found.extend(escapes::located(text, &inner));
            found = united(found);
        }
        found
    }
}

/// The ranges in ascending order, those that overlap made one.
fn united(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let overlap = next.start < last.end;
        last.end = if overlap { last.end.max(next.end) } else { last.end };
        overlap
    });
    ranges
}

/// The text with a mask in place of each range.
fn without(text: &str, found: &[Range<usize>]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for range in found {
        masked.push_str(&text[from..range.start]);
        masked.push_str(MASK);
        from = range.end;
    }
    masked.push_str(&text[from..]);
    masked
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

fn push_shapes(value: &str, patterns: &mut Vec<Zeroizing<String>>) {
    if value.chars().count() < MASKED_CHARACTERS_MIN {
        return;
    }
    let mut push = |shape: String| {
        if shape.len() >= MASKED_CHARACTERS_MIN {
            patterns.push(Zeroizing::new(shape));
        }
    };
    push(value.to_owned());
    push(json_escaped(value));
    push(url_encoded(value, false));
    push(url_encoded(value, true));
    for shift in 0..3 {
        push(base64_core(value, shift, &STANDARD_NO_PAD));
        push(base64_core(value, shift, &URL_SAFE_NO_PAD));
    }
}

fn json_escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// RFC 3986 percent-encoding; `form` encodes a space as `+`, as HTML forms do.
fn url_encoded(value: &str, form: bool) -> String {
    value.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b' ' if form => out.push('+'),
            _ => {
                out.push('%');
                out.extend([byte >> 4, byte & 0xf].map(|digit| char::from(HEX[usize::from(digit)])));
            }
        }
        out
    })
}

/// The characters of base64 that depend on the value alone when `shift` bytes stand before it.
fn base64_core(value: &str, shift: usize, engine: &base64::engine::GeneralPurpose) -> String {
    let mut padded = Zeroizing::new(vec![0_u8; shift]);
    padded.extend_from_slice(value.as_bytes());
    let encoded = Zeroizing::new(engine.encode(&*padded));
    let first = (shift * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    encoded.get(first..last).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(value: &str) -> Redactor {
        Redactor::new([&SecretValue::new(value.to_owned())])
    }

    #[test]
    fn a_secret_is_masked_in_every_shape() {
        let secret = "s3cr3t/val ue\"+x";
        let redactor = redactor(secret);
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("user:{secret}"));
        for shape in [
            secret.to_owned(),
            serde_json::json!({ "token": secret }).to_string(),
            "s3cr3t%2Fval%20ue%22%2Bx".to_owned(),
            "s3cr3t%2Fval+ue%22%2Bx".to_owned(),
            base64::engine::general_purpose::STANDARD.encode(secret),
            base64::engine::general_purpose::URL_SAFE.encode(secret),
        ] {
            let masked = redactor.mask(&shape);
            assert!(masked.contains(MASK), "{shape} → {masked}");
            assert!(!masked.contains("s3cr3t"), "{masked}");
        }
        assert!(redactor.mask(&basic).contains(MASK), "a credential inside a Basic header");
    }

    #[test]
    fn a_secret_is_masked_however_the_writer_of_json_escapes_it() {
        let redactor = redactor("s3cr&t<v>/alué9");
        let go = r#"{"a":"x s3cr\u0026t\u003cv\u003e/alué9 y","b":1.50}"#;
        let python = r#"{"s3cr&t<v>/alu\u00e99":1}"#;
        let php = r#"{"a":"s3cr&t<v>\/alu\u00E99"}"#;
        assert_eq!(redactor.mask_json(go).unwrap(), r#"{"a":"x ••• y","b":1.50}"#);
        assert_eq!(redactor.mask_json(python).unwrap(), r#"{"•••":1}"#);
        assert_eq!(redactor.mask_json(php).unwrap(), r#"{"a":"•••"}"#);
        let nested = serde_json::json!({ "text": go }).to_string();
        assert_eq!(redactor.mask_json(&nested).unwrap(), r#"{"text":"{\"a\":\"x ••• y\",\"b\":1.50}"}"#);
        let other = r#"{"a":"\u0026 \n"}"#;
        assert!(matches!(redactor.mask_json(other), Some(Cow::Borrowed(_))));
    }

    #[test]
    fn a_mask_that_would_not_be_json_is_told() {
        assert_eq!(redactor("12345678").mask_json("[12345678]"), None);
        assert_eq!(Redactor(Masking::Everything).mask_json("{}"), None);
    }

    #[test]
    fn of_a_text_that_was_cut_the_end_that_may_begin_a_secret_is_left_out() {
        let redactor = redactor(&"k".repeat(100));
        let (masked, left_out) = redactor.mask_cut(&format!("{}{}", "x".repeat(500), "k".repeat(99)));
        assert!(masked.chars().all(|character| character == 'x'), "{masked}");
        assert_eq!(masked.len() + left_out, 599);
        let (masked, _) = redactor.mask_cut(&format!("{}{}", "x".repeat(500), "k".repeat(100)));
        assert!(masked.chars().all(|character| character == 'x') || masked.ends_with(MASK), "{masked}");
        assert_eq!(redactor.mask_cut("kkk"), (String::new(), 3));
        assert_eq!(Redactor::default().mask_cut("kkk"), ("kkk".to_owned(), 0));
    }

    #[test]
    fn each_line_of_a_key_is_masked() {
        let redactor = redactor("-----BEGIN-----\nabcdefghij\nklmnopqrst\n-----END-----");
        assert_eq!(redactor.mask("read klmnopqrst from file"), format!("read {MASK} from file"));
    }

    #[test]
    fn short_values_and_other_texts_are_left_alone() {
        assert!(matches!(redactor("abc").mask("abc abc"), Cow::Borrowed("abc abc")));
        assert!(matches!(redactor("long-enough").mask("nothing here"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_secret_of_many_lines_is_masked_without_a_table_that_outgrows_it() {
        let lines: Vec<String> = (0..10_000).map(|n| format!("line-{n}")).collect();
        let redactor = redactor(&lines.join("\n"));
        assert_eq!(redactor.mask("line-9999 and line-0000x"), format!("{MASK} and {MASK}000x"));
        let Masking::Patterns(patterns) = &redactor.0 else { panic!("no patterns") };
        let bytes = patterns.automaton.memory_usage();
        assert!(bytes < 16 << 20, "{bytes}");
    }

    #[test]
    fn what_cannot_be_searched_is_masked_as_a_whole() {
        let redactor = Redactor(Masking::Everything);
        assert_eq!(redactor.mask("anything"), MASK);
        assert_eq!(redactor.mask_owned("nine-char".to_owned()), MASK);
    }

    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", SecretValue::new("hunter22".into())), "SecretValue(redacted)");
    }
}
