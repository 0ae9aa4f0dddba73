//! Looks at the envelope of a message and leaves its payload alone.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::calls::Ending;
use crate::{Answer, RpcError};

/// An id or a method longer than this is no honest one; it is not echoed into the queue.
const ECHOED_BYTES_MAX: usize = 256;

/// The members of a JSON-RPC message, each as raw text. `null` is a value here, not an absence.
#[derive(Deserialize)]
pub(crate) struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// What a message is, by its envelope.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    /// `id` is `None` when it is none that mcpd would have given.
    Answer {
        id: Option<u64>,
    },
    Request {
        id: &'a RawValue,
        method: &'a RawValue,
    },
    /// A request whose id cannot be echoed.
    Unanswerable,
    Notification,
    Noise,
}

impl<'a> Envelope<'a> {
    /// `None` when the text is not one JSON object (serde would also fill a struct from an array).
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        if text.trim_start().starts_with('{') { serde_json::from_str(text).ok() } else { None }
    }

    pub(crate) fn message(&self) -> Message<'a> {
        match (self.method, self.id) {
            (Some(method), _) if !self.is_version_2() || !method.get().starts_with('"') => Message::Noise,
            (Some(method), Some(id)) if is_echoed(id) && method.get().len() <= ECHOED_BYTES_MAX => {
                Message::Request { id, method }
            }
            (Some(_), Some(_)) => Message::Unanswerable,
            (Some(_), None) => Message::Notification,
            (None, Some(id)) => Message::Answer { id: id.get().parse().ok() },
            (None, None) => Message::Noise,
        }
    }

    pub(crate) fn is_version_2(&self) -> bool {
        self.jsonrpc.is_some_and(|version| version.get() == r#""2.0""#)
    }

    /// How the call ends that this is the answer to. An `"error": null` beside a result is common among
    /// servers made by hand, and harmless.
    pub(crate) fn ending(&self) -> Ending {
        let error = self.error.filter(|error| error.get() != "null");
        match (self.is_version_2(), self.result, error) {
            (false, ..) => Ending::Invalid("jsonrpc is not \"2.0\""),
            (true, Some(_), Some(_)) => Ending::Invalid("it has both a result and an error"),
            (true, None, None) => Ending::Invalid("it has neither a result nor an error"),
            (true, Some(result), None) => Ending::Answered(Answer::Result(result.to_owned())),
            (true, None, Some(error)) => match RpcError::read(error) {
                Some(error) => Ending::Answered(Answer::Error(error)),
                None => Ending::Invalid("its error has no code"),
            },
        }
    }
}

fn is_echoed(id: &RawValue) -> bool {
    let text = id.get();
    text.len() <= ECHOED_BYTES_MAX
        && text.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(text: &str) -> Ending {
        Envelope::read(text).expect("an object").ending()
    }

    #[test]
    fn a_result_passes_untouched() {
        let Ending::Answered(Answer::Result(raw)) =
            ending(r#"{"result": {"b":1.0,"a":[ ]} ,"jsonrpc":"2.0","id":1,"error":null}"#)
        else {
            panic!("a result")
        };
        assert_eq!(raw.get(), r#"{"b":1.0,"a":[ ]}"#);
    }

    #[test]
    fn an_error_passes_with_all_its_members() {
        let Ending::Answered(Answer::Error(error)) =
            ending(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no","data":[1.0],"x":1}}"#)
        else {
            panic!("an error")
        };
        assert_eq!((error.code, error.message.as_str()), (-32000, "no"));
        assert_eq!(error.data.expect("data").get(), "[1.0]");
        assert_eq!(error.raw.get(), r#"{"code":-32000,"message":"no","data":[1.0],"x":1}"#);
    }

    #[test]
    fn an_answer_that_is_none_says_what_is_wrong() {
        for (text, what) in [
            (r#"{"jsonrpc":"2.0","id":1}"#, "neither"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#, "both"),
            (r#"{"jsonrpc":"1.0","id":1,"result":{}}"#, "2.0"),
            (r#"{"id":1,"result":{}}"#, "2.0"),
            (r#"{"jsonrpc":"2.0","id":1,"error":"boom"}"#, "code"),
        ] {
            let Ending::Invalid(said) = ending(text) else { panic!("{text} is valid") };
            assert!(said.contains(what), "{said}");
        }
    }

    #[test]
    fn messages_are_told_apart() {
        let kind = |text| Envelope::read(text).map(|envelope| format!("{:?}", envelope.message()));
        let starts = |text, word: &str| kind(text).is_some_and(|kind| kind.starts_with(word));
        assert!(starts(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, "Request"));
        assert!(starts(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#, "Notification"));
        assert!(starts(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "Unanswerable"));
        assert!(starts(r#"{"jsonrpc":"2.0","id":"5","result":{}}"#, "Answer { id: None }"));
        assert!(starts(r#"{"level":"info","method":"GET"}"#, "Noise"));
        assert!(starts(r#"{"level":"info"}"#, "Noise"));
        assert_eq!(kind("[1]"), None);
        assert_eq!(kind("listening on port 80"), None);
    }
}
