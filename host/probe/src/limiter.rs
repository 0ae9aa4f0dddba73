//! One budget over the sum of a guest's memories and tables: wasmtime's own limits count each alone.

use std::fmt;

use wasmtime::{ResourceLimiter, Result};

/// What a table element takes on a 64-bit host.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Counts what a guest has, and refuses what goes past its limit.
pub(crate) struct Limiter {
    limit_bytes: usize,
    used_bytes: usize,
    refused: Option<Refusal>,
}

/// The growth that was refused.
#[expect(clippy::struct_field_names, reason = "a unit is part of a name")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    limit_bytes: usize,
    used_bytes: usize,
    requested_bytes: usize,
}

impl Limiter {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, used_bytes: 0, refused: None }
    }

    /// Memories and tables never shrink, so what is in use is also the peak.
    pub(crate) fn peak_bytes(&self) -> usize {
        self.used_bytes
    }

    /// The last growth that was refused. A guest that traps after one ran out of memory.
    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.refused
    }

    fn grow(&mut self, current_bytes: usize, desired_bytes: usize) -> bool {
        let requested_bytes = desired_bytes.saturating_sub(current_bytes);
        let fits = self.used_bytes.saturating_add(requested_bytes) <= self.limit_bytes;
        if fits {
            self.used_bytes += requested_bytes;
        } else {
            let Self { limit_bytes, used_bytes, .. } = *self;
            self.refused = Some(Refusal { limit_bytes, used_bytes, requested_bytes });
        }
        fits
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.grow(bytes(current), bytes(desired)))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the probe asked for {} KiB of memory beside the {} KiB it has, and its limit is {} KiB",
            self.requested_bytes / 1024,
            self.used_bytes / 1024,
            self.limit_bytes / 1024
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limiter = Limiter::new(100_000);
        assert!(limiter.memory_growing(0, 65_536, None).unwrap());
        assert!(limiter.table_growing(0, 4_000, None).unwrap());
        assert!(!limiter.memory_growing(65_536, 131_072, None).unwrap());
        assert_eq!(limiter.peak_bytes(), 65_536 + 32_000);
        refusal_says(&limiter, "64 KiB of memory beside the 95 KiB");
    }

    fn refusal_says(limiter: &Limiter, words: &str) {
        assert!(limiter.refused().unwrap().to_string().contains(words));
    }
}
