//! Reads a text as if its JSON escapes were resolved, and tells where in the text a part of that came from.
//!
//! Every writer of JSON escapes as it likes (Go `&` as `\u0026`, Python each letter beyond ASCII, PHP `/` as
//! `\/`), so a secret is looked for in the resolved text. What is found is masked in the text as it stands:
//! nothing else of it changes, and escapes outside of JSON do no harm.

use std::ops::Range;

/// The longest escape of one UTF-16 unit: `\u0026` within JSON within JSON within JSON.
const ESCAPE_BYTES_MAX: usize = 9;

/// The text with its escapes resolved once.
pub(super) fn resolved(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => plain.push_str(text),
            Piece::Escape { character, .. } => plain.push(character),
        }
    }
    plain
}

/// Where ranges of the resolved text lie in the text itself; both ascending and apart.
pub(super) fn located(text: &str, found: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut place = Place { pieces: pieces(text), piece: None, raw: 0, plain: 0 };
    found.iter().map(|range| place.of(range.start)..place.of(range.end)).collect()
}

/// The most bytes that a text takes however its writer escapes it.
pub(super) fn escaped_bytes_max(text: &str) -> usize {
    let bytes = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '-' | '.' | '_' | '~' | '%' | '=' => 1,
        _ => ESCAPE_BYTES_MAX * character.len_utf16(),
    };
    text.chars().map(bytes).sum()
}

enum Piece<'a> {
    Text(&'a str),
    Escape { bytes: usize, character: char },
}

impl Piece<'_> {
    fn raw_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Escape { bytes, .. } => *bytes,
        }
    }

    fn plain_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Escape { character, .. } => character.len_utf8(),
        }
    }
}

fn pieces(mut rest: &str) -> impl Iterator<Item = Piece<'_>> {
    std::iter::from_fn(move || {
        let piece = first(rest)?;
        rest = &rest[piece.raw_bytes()..];
        Some(piece)
    })
}

fn first(text: &str) -> Option<Piece<'_>> {
    match text.find('\\') {
        None if text.is_empty() => None,
        None => Some(Piece::Text(text)),
        // A backslash that begins no escape stands for itself.
        Some(0) => Some(escape(text).unwrap_or(Piece::Text(&text[..1]))),
        Some(at) => Some(Piece::Text(&text[..at])),
    }
}

fn escape(text: &str) -> Option<Piece<'_>> {
    let character = match text.as_bytes().get(1)? {
        b'u' => return unicode(text),
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        kind @ (b'"' | b'\\' | b'/') => char::from(*kind),
        _ => return None,
    };
    Some(Piece::Escape { bytes: 2, character })
}

/// `\uXXXX`, twice for what lies beyond 16 bits. Half of such a pair stands for no character.
fn unicode(text: &str) -> Option<Piece<'_>> {
    const BYTES: usize = 6;
    let unit = unit(text)?;
    let pair = text.get(BYTES..).and_then(self::unit);
    let decoded = char::decode_utf16([unit].into_iter().chain(pair)).next()?;
    let character = decoded.unwrap_or(char::REPLACEMENT_CHARACTER);
    Some(Piece::Escape { bytes: BYTES * character.len_utf16(), character })
}

fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u16::from_str_radix(digits, 16).ok())?
}

/// A place in a text and the same one in the text resolved; it only goes forward.
struct Place<'a, I: Iterator<Item = Piece<'a>>> {
    pieces: I,
    piece: Option<Piece<'a>>,
    raw: usize,
    plain: usize,
}

impl<'a, I: Iterator<Item = Piece<'a>>> Place<'a, I> {
    fn of(&mut self, plain: usize) -> usize {
        while let Some(piece) = self.piece.take().or_else(|| self.pieces.next()) {
            if self.plain + piece.plain_bytes() > plain {
                self.piece = Some(piece);
                break;
            }
            self.raw += piece.raw_bytes();
            self.plain += piece.plain_bytes();
        }
        self.raw + (plain - self.plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_and_what_is_none_stands_for_itself() {
        let text = r#"C:\users\x \u0026\u00e9\ud83d\ude00\/\"\\ \ud83d! \u12 \"#;
        assert_eq!(resolved(text), "C:\\users\\x &é😀/\"\\ \u{fffd}! \\u12 \\");
    }

    #[test]
    fn what_is_found_is_located_with_its_whole_escapes() {
        let text = r"ab\u0026cd\ud83d\ude00e";
        let located = located(text, &[2..3, 4..9, 9..10]);
        let parts: Vec<&str> = located.into_iter().map(|range| &text[range]).collect();
        assert_eq!(parts, [r"\u0026", r"d\ud83d\ude00", "e"]);
    }

    #[test]
    fn an_escaped_text_is_no_longer_than_told() {
        let mut escaped = r"a\u0026\ud83d\ude00".to_owned();
        for _ in 0..2 {
            escaped = serde_json::Value::from(escaped).to_string().trim_matches('"').to_owned();
        }
        assert!(escaped.len() <= escaped_bytes_max("a&😀"), "{escaped}");
    }
}
