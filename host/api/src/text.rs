//! The rules for strings: how long, of what characters, in words for people.

use crate::bounds;

/// How much of a wrong text a message repeats.
const SHOWN_CHARACTERS_MAX: usize = 80;

/// A rule for a string.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    /// Its size at most.
    pub(crate) bytes_max: usize,
    /// Whether the text holds, and the words for where it does not.
    pub(crate) holds: fn(&str) -> bool,
    pub(crate) words: &'static str,
}

impl Rule {
    const fn new(bytes_max: usize, holds: fn(&str) -> bool, words: &'static str) -> Self {
        Self { bytes_max, holds, words }
    }

    /// The complaint about a text that breaks the rule.
    pub(crate) fn complaint(&self, text: &str) -> Option<String> {
        if text.len() > self.bytes_max {
            return Some(format!("has {} bytes, at most {} are allowed", text.len(), self.bytes_max));
        }
        (!(self.holds)(text)).then(|| self.words.to_owned())
    }
}

pub(crate) const NAME: Rule = Rule::new(
    bounds::NAME_BYTES_MAX,
    is_dns_label,
    "must be a name of lower-case letters, digits and `-`, beginning and ending with a letter or digit",
);
pub(crate) const ANY: Rule = Rule::new(bounds::ARGUMENT_BYTES_MAX, |_| true, "");
pub(crate) const DESCRIPTION: Rule = Rule::new(bounds::DESCRIPTION_BYTES_MAX, |_| true, "");
pub(crate) const PATH: Rule = Rule::new(
    bounds::ARGUMENT_BYTES_MAX,
    |text| text.starts_with('/'),
    "must be an absolute path, such as /srv/data",
);
pub(crate) const SOURCE: Rule = Rule::new(bounds::ARGUMENT_BYTES_MAX, |t| !t.is_empty(), "must not be empty");
/// Images, packages, programs of packages, tools and methods: words handed to other programs, which must
/// not take them for an option.
pub(crate) const WORD: Rule = Rule::new(
    bounds::WORD_BYTES_MAX,
    |text| is_graphic(text) && !text.starts_with('-'),
    "must be one word that does not begin with `-`",
);
pub(crate) const ENV_NAME: Rule = Rule::new(
    bounds::ENV_NAME_BYTES_MAX,
    is_env_name,
    "must be the name of a variable: letters, digits and `_`, not beginning with a digit",
);
pub(crate) const ENV_VALUE: Rule = Rule::new(bounds::ENV_VALUE_BYTES_MAX, |_| true, "");
pub(crate) const HEADER_NAME: Rule = Rule::new(
    bounds::ENV_NAME_BYTES_MAX,
    is_header_name,
    "must be the name of an HTTP header: letters, digits and any of !#$%&'*+-.^_`|~",
);
pub(crate) const HEADER_VALUE: Rule = Rule::new(
    bounds::ENV_VALUE_BYTES_MAX,
    |text| !text.contains(|c: char| c.is_control() && c != '\t'),
    "must not hold a line break or another control character",
);
pub(crate) const SECRET_KEY: Rule = Rule::new(
    bounds::SECRET_KEY_BYTES_MAX,
    |text| is_of(text, "-._") && text != "." && text != "..",
    "must be of letters, digits, `-`, `.` and `_`, and not `.` or `..`",
);
pub(crate) const SECRET_VALUE: Rule = Rule::new(bounds::SECRET_VALUE_BYTES_MAX, |_| true, "");
pub(crate) const LABEL_KEY: Rule = Rule::new(
    bounds::LABEL_KEY_BYTES_MAX,
    |text| is_of(text, "-._/"),
    "must be of letters, digits, `-`, `.`, `_` and `/`",
);
pub(crate) const LABEL_VALUE: Rule = Rule::new(
    bounds::LABEL_VALUE_BYTES_MAX,
    |text| text.is_empty() || is_of(text, "-._"),
    "must be of letters, digits, `-`, `.` and `_`",
);
pub(crate) const URL: Rule = Rule::new(
    bounds::ARGUMENT_BYTES_MAX,
    is_http_url,
    "must be a URL that begins with http:// or https:// and holds no user name, password or fragment",
);

/// The text without control characters and cut to what a message can bear.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARACTERS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(SHOWN_CHARACTERS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn is_dns_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_are_plain =
        bytes.first().copied().is_some_and(plain) && bytes.last().copied().is_some_and(plain);
    ends_are_plain && bytes.iter().all(|&byte| plain(byte) || byte == b'-')
}

fn is_graphic(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
}

fn is_of(text: &str, marks: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

fn is_env_name(text: &str) -> bool {
    is_of(text, "_") && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_header_name(text: &str) -> bool {
    is_of(text, "!#$%&'*+-.^_`|~")
}

fn is_http_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    matches!(scheme, "http" | "https")
        && is_graphic(authority)
        && !authority.contains('@')
        && !authority.starts_with(':')
        && is_graphic(rest)
        && !rest.contains('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_tells_good_texts_from_bad_ones() {
        let long_name = "x".repeat(64);
        let cases: [(&Rule, &[&str], &[&str]); 8] = [
            (&NAME, &["a", "a-b", "0"], &["", "-a", "a-", "A", "a_b", "ä", &long_name]),
            (&ENV_NAME, &["A", "_a1"], &["", "1A", "A-B", "A=B", "A B"]),
            (&SECRET_KEY, &["token", "a.b_c-D"], &["", ".", "..", "a/b", "a b"]),
            (&WORD, &["ghcr.io/a/b:1@sha256:0", "@scope/pkg@1.0"], &["", "-rm", "a b", "a\n"]),
            (&LABEL_VALUE, &["", "dev"], &["a,b", "a=b"]),
            (&HEADER_NAME, &["X-Api-Key"], &["", "A:B", "A B"]),
            (&PATH, &["/", "/srv"], &["", "srv", "./a"]),
            (
                &URL,
                &["http://a", "https://a.b:1/c?d"],
                &["", "ftp://a", "http://", "http://u:p@a/", "http://a/#b", "http:///x", "http://a b"],
            ),
        ];
        for (rule, good, bad) in cases {
            for text in good {
                assert_eq!(rule.complaint(text), None, "{text}");
            }
            for text in bad {
                assert!(rule.complaint(text).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn a_long_or_hostile_text_is_shown_short_and_tame() {
        assert_eq!(shown("a\x1b[2J"), "a\u{fffd}[2J");
        assert_eq!(shown(&"ä".repeat(200)).chars().count(), SHOWN_CHARACTERS_MAX + 1);
    }
}
