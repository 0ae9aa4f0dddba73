//! Durations on the wire: seconds, fractional where they have to be.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// Writes a duration as seconds, whole ones without a fraction.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    if duration.subsec_nanos() == 0 {
        duration.as_secs().serialize(serializer)
    } else {
        duration.as_secs_f64().serialize(serializer)
    }
}

/// The same for a duration that may be absent; absent ones are expected to be skipped.
pub(crate) mod option {
    use super::{Duration, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(duration: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, s),
            None => None::<u64>.serialize(s),
        }
    }
}
