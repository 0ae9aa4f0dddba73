//! Chance that can be had again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Set to the number that a failed run printed, it gives the same moments and changes.
pub(super) const SEED: &str = "MCPD_TEST_SEED";

/// `SplitMix64`: its constants are those of its authors.
pub(super) struct Chance {
    seed: u64,
    state: u64,
}

impl Chance {
    /// From [`SEED`], or from a seed that was never there before.
    #[expect(clippy::disallowed_methods, reason = "the seed of a run is a matter of who runs it")]
    pub(super) fn of_this_run() -> Self {
        let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(()));
        Self { seed, state: seed }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// From 0 to `bound` - 1.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(super) fn below_ms(&mut self, bound: u64) -> Duration {
        Duration::from_millis(self.below(bound))
    }
}
