//! The failure of a call on its way into a guest, and back when the guest hands it on; and what the host
//! refuses, as such a failure.

use std::borrow::Cow;

use mcpd_core::check::FailureKind;

use crate::calls::CallError;
use crate::contract::types::{Failure, FailureKind as GuestKind};
use crate::params::ParamsError;
use crate::state::StateRefusal;

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self {
            kind: to_guest(error.kind),
            reason: error.reason.into_owned(),
            code: error.code,
            message: error.message,
            data: error.data,
        }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self {
            kind: from_guest(failure.kind),
            reason: Cow::Owned(failure.reason),
            code: failure.code,
            message: failure.message,
            data: failure.data,
        }
    }
}

impl From<ParamsError> for CallError {
    fn from(error: ParamsError) -> Self {
        Self::new(FailureKind::Invalid, "invalid-params", error.to_string())
    }
}

impl From<StateRefusal> for CallError {
    fn from(refusal: StateRefusal) -> Self {
        let (kind, reason) = match refusal {
            StateRefusal::Key => (FailureKind::Invalid, "invalid-key"),
            StateRefusal::Full => (FailureKind::Quota, "state-full"),
        };
        Self::new(kind, reason, refusal.to_string())
    }
}

fn to_guest(kind: FailureKind) -> GuestKind {
    match kind {
        FailureKind::Transport => GuestKind::Transport,
        FailureKind::Timeout => GuestKind::Timeout,
        FailureKind::Unauthorized => GuestKind::Unauthorized,
        FailureKind::Protocol => GuestKind::Protocol,
        FailureKind::Rpc => GuestKind::Rpc,
        FailureKind::Tool => GuestKind::Tool,
        FailureKind::Denied => GuestKind::Denied,
        FailureKind::Quota => GuestKind::Quota,
        FailureKind::Invalid => GuestKind::Invalid,
        FailureKind::Unsupported => GuestKind::Unsupported,
        FailureKind::Host => GuestKind::Host,
        // A verdict is no call; the contract has no word for it.
        FailureKind::Other | FailureKind::Verdict => GuestKind::Other,
    }
}

fn from_guest(kind: GuestKind) -> FailureKind {
    match kind {
        GuestKind::Transport => FailureKind::Transport,
        GuestKind::Timeout => FailureKind::Timeout,
        GuestKind::Unauthorized => FailureKind::Unauthorized,
        GuestKind::Protocol => FailureKind::Protocol,
        GuestKind::Rpc => FailureKind::Rpc,
        GuestKind::Tool => FailureKind::Tool,
        GuestKind::Denied => FailureKind::Denied,
        GuestKind::Quota => FailureKind::Quota,
        GuestKind::Invalid => FailureKind::Invalid,
        GuestKind::Unsupported => FailureKind::Unsupported,
        GuestKind::Host => FailureKind::Host,
        GuestKind::Other => FailureKind::Other,
    }
}
