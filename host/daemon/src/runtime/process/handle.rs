//! What is recorded of a run, so that the next mcpd finds it.

use serde::{Deserialize, Serialize};

use super::procfs::{Stamp, boot_id};
use crate::runtime::Handle;

/// A run as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recorded {
    /// The boot of the machine; after another one nothing of the run can be there.
    boot: String,
    /// The guardian, which is also the session of all but what left it.
    pub(super) guardian: Stamp,
    /// The server.
    pub(super) server: Stamp,
}

impl Recorded {
    /// A run of now.
    pub(super) fn new(guardian: Stamp, server: Stamp) -> Self {
        Self { boot: boot_id(), guardian, server }
    }

    /// As the store keeps it.
    pub(super) fn to_handle(&self) -> Handle {
        Handle(serde_json::to_string(self).unwrap_or_default())
    }

    /// What the store kept, unless nothing of it can be there any more.
    pub(super) fn from_handle(handle: &Handle) -> Option<Self> {
        serde_json::from_str(&handle.0).ok().filter(|recorded: &Self| recorded.boot == boot_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_back_on_the_same_boot_only() {
        let recorded = Recorded::new(Stamp { pid: 5, start: 6 }, Stamp { pid: 7, start: 8 });
        assert_eq!(Recorded::from_handle(&recorded.to_handle()), Some(recorded.clone()));
        let other_boot = Recorded { boot: "another".to_owned(), ..recorded };
        assert_eq!(Recorded::from_handle(&other_boot.to_handle()), None);
        assert_eq!(Recorded::from_handle(&Handle("container".to_owned())), None);
    }
}
