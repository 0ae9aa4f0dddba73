//! Label values: words from closed lists, and names of things that exist.

use std::fmt;
use std::sync::Arc;

use mcpd_core::name::ServerName;
use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// The labels of a series, in the order in which they are written.
pub(super) type Labels<const N: usize> = [(&'static str, Word); N];

/// One label value; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Word {
    /// From a closed list.
    Fixed(&'static str),
    /// The name of a server.
    Server(ServerName),
    /// The name of something else that exists.
    Name(Arc<str>),
}

impl Word {
    /// The name of something that exists.
    pub(super) fn name(name: &str) -> Self {
        Self::Name(name.into())
    }

    /// The text of the label.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Fixed(word) => word,
            Self::Server(name) => name.as_str(),
            Self::Name(name) => name,
        }
    }
}

impl From<&ServerName> for Word {
    fn from(name: &ServerName) -> Self {
        Self::Server(name.clone())
    }
}

impl From<&Arc<str>> for Word {
    fn from(name: &Arc<str>) -> Self {
        Self::Name(Arc::clone(name))
    }
}

impl From<&'static str> for Word {
    fn from(word: &'static str) -> Self {
        Self::Fixed(word)
    }
}

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), fmt::Error> {
        self.as_str().encode(encoder)
    }
}

/// The methods of MCP, all revisions.
const METHODS: [&str; 19] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "subscriptions/listen",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tools/call",
    "tools/list",
];

/// The method if MCP knows it, otherwise `other`: a client may write anything there.
pub(super) fn method_word(method: &str) -> &'static str {
    METHODS.binary_search(&method).map_or("other", |index| METHODS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_methods_are_sorted_as_the_search_wants_them() {
        assert!(METHODS.is_sorted());
        assert!(METHODS.iter().all(|method| method_word(method) == *method));
        assert_eq!(method_word("tools/call/../../etc"), "other");
    }
}
