//! Reads manifest files: YAML of several documents, and JSON, which is YAML too.

use serde_json::Value;

use crate::bounds::DOCUMENT_BYTES_MAX;
use crate::strict;

/// Brackets that may be open at a time. The parser refuses more than 128 of them, but only after it has spent
/// time with the square of their number: an hour on a text of 1 MiB. What stands in strings is counted too, which
/// no manifest comes near; who hides brackets from this count may start programs anyway.
const BRACKETS_OPEN_MAX: usize = 1_000;

/// One document of a file that is not empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its number in the file, the first being 1; empty ones are counted.
    pub number: usize,
    /// What it says.
    pub value: Value,
}

/// Why a text is no list of documents.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// More than [`DOCUMENT_BYTES_MAX`] bytes.
    #[error("the text has {bytes} bytes, at most {DOCUMENT_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// More than 1,000 brackets are open at a time.
    #[error("the text has more than {BRACKETS_OPEN_MAX} brackets that are open at a time")]
    TooDeep,
    /// Ill-formed, with a key twice, or swollen by aliases; the words name line and column where known.
    #[error("not YAML: document {document}: {words}")]
    Malformed {
        /// Number of the document, the first being 1.
        document: usize,
        /// The parser's words.
        words: String,
    },
}

/// Reads all documents of a text, skipping empty ones.
pub fn read(text: &str) -> Result<Vec<Document>, YamlError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(YamlError::TooLarge { bytes: text.len() });
    }
    // JSON first where it looks like it: YAML parsers stumble over its pairs of surrogate escapes.
    if text.trim_start().starts_with(['{', '['])
        && let Ok(value) = strict::read_json(text.as_bytes())
    {
        return Ok(vec![Document { number: 1, value }]);
    }
    if brackets_open_max(text) > BRACKETS_OPEN_MAX {
        return Err(YamlError::TooDeep);
    }
    read_documents(text)
}

fn brackets_open_max(text: &str) -> usize {
    let (mut open, mut open_max) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open_max = open_max.max(open);
    }
    open_max
}

fn read_documents(text: &str) -> Result<Vec<Document>, YamlError> {
    let mut documents = Vec::new();
    for (index, deserializer) in serde_yaml_ng::Deserializer::from_str(text).enumerate() {
        let number = index + 1;
        let value = strict::read(deserializer).map_err(|error| malformed(number, &error))?;
        if !value.is_null() {
            documents.push(Document { number, value });
        }
    }
    Ok(documents)
}

fn malformed(document: usize, error: &serde_yaml_ng::Error) -> YamlError {
    YamlError::Malformed { document, words: error.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn several_documents_are_numbered_and_empty_ones_skipped() {
        let text = "---\n---\nkind: server\n---\n# nothing\n---\nkind: secret\n";
        let documents = read(text).unwrap();
        let numbers: Vec<_> = documents.iter().map(|document| document.number).collect();
        assert_eq!(numbers, [2, 4]);
        assert_eq!(documents[1].value, json!({"kind": "secret"}));
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read("# only a comment\n").unwrap(), []);
    }

    #[test]
    fn json_is_read_as_it_is() {
        assert_eq!(read("{\n\t\"a\": \"\\ud83d\\ude00\"}").unwrap()[0].value, json!({"a": "😀"}));
        assert_eq!(read("{a: 1}").unwrap()[0].value, json!({"a": 1}), "flow style");
    }

    #[test]
    fn plain_scalars_keep_the_types_of_yaml() {
        let value = &read("a: yes\nb: 0.5\nc: ~\nd: 007\n1: x\ne: &x [1]\nf: *x").unwrap()[0].value;
        assert_eq!(
            *value,
            json!({"a": "yes", "b": 0.5, "c": null, "d": "007", "1": "x", "e": [1], "f": [1]})
        );
    }

    #[test]
    fn mistakes_name_document_line_and_column() {
        let words = |text| read(text).unwrap_err().to_string();
        insta::assert_snapshot!(words("a: 1\n---\nb: [1\nc: 2"), @"not YAML: document 2: did not find expected ',' or ']' at line 4 column 2, while parsing a flow sequence at line 3 column 4");
        insta::assert_snapshot!(words("a: 1\na: 2"), @"not YAML: document 1: duplicate key `a`");
        insta::assert_snapshot!(words("env:\n  - {a: 1, a: 2}"), @"not YAML: document 1: env[0]: duplicate key `a` at line 2 column 5");
        insta::assert_snapshot!(words("a: !secret x"), @"not YAML: document 1: a: a tag (`!…`) has no meaning here at line 1 column 4");
        insta::assert_snapshot!(words("a: .inf"), @"not YAML: document 1: a: a number must be finite at line 1 column 4");
        insta::assert_snapshot!(words("a: *nowhere"), @"not YAML: document 1: unknown anchor at line 1 column 4");
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let nine = |entry: &str| [entry; 9].join(", ");
        let level = |n: usize| format!("a{n}: &a{n} [{}]\n", nine(&format!("*a{}", n - 1)));
        let laughs = format!("a0: &a0 [{}]\n", nine("lol")) + &(1..10).map(level).collect::<String>();
        assert!(read(&laughs).is_err());
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(100_000), ["*a"; 100].join(", "));
        insta::assert_snapshot!(read(&long).unwrap_err(), @"not YAML: document 1: b[40]: aliases make this document larger than 4194304 bytes at line 1 column 4");
    }

    #[test]
    fn brackets_without_end_are_refused_before_they_are_parsed() {
        let words = |text: &str| read(text).unwrap_err().to_string();
        for bracket in ["[", "{a: ", "[x, "] {
            let text = format!("a: {}", bracket.repeat(200_000));
            insta::allow_duplicates! {
                insta::assert_snapshot!(words(&text), @"the text has more than 1000 brackets that are open at a time");
            }
        }
        assert!(read(&"- [1]\n".repeat(100_000)).is_ok(), "closed ones do not count");
    }

    #[test]
    fn a_text_past_its_bound_is_refused() {
        let error = read(&" ".repeat(DOCUMENT_BYTES_MAX + 1)).unwrap_err();
        insta::assert_snapshot!(error, @"the text has 1048577 bytes, at most 1048576 are allowed");
    }
}
