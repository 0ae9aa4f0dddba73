//! What no sequence of verdicts may give, and what enough of them always do.

use std::time::Duration;

use proptest::prelude::*;

use super::scenarios::{BUSY, FAIL, PASS, SLOW, TRAP, WARN, after, fold, policy};
use super::{Health, HealthStatus};
use crate::check::Verdict;
use crate::fixture::at;

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(PASS),
        Just(WARN),
        Just(FAIL),
        Just(SLOW),
        Just(TRAP),
        Just(BUSY),
        Just(Verdict::Unknown)
    ]
}

proptest! {
    #[test]
    fn no_sequence_without_a_pass_or_warn_since_the_last_unknown_allows_ready(
        verdicts in prop::collection::vec((verdict(), 0..200_u64), 0..60),
        failure_threshold in 1..5_u32,
        success_threshold in 1..4_u32,
    ) {
        let policy = policy(failure_threshold, success_threshold);
        let (mut health, mut now, mut is_proven) = (Health::default(), at(0), false);
        for (verdict, seconds) in verdicts {
            now = crate::time::after(now, Duration::from_secs(seconds));
            health = health.expire(now, policy.verdict_lifetime());
            is_proven &= health.status() != Some(HealthStatus::Unknown);
            is_proven |= matches!(verdict, Verdict::Pass | Verdict::Warn);
            health = fold(health, verdict, policy, now).health;
            is_proven &= health.status() != Some(HealthStatus::Unknown);
            prop_assert!(is_proven || !health.allows_ready());
            prop_assert!(health.status().is_some());
        }
    }

    #[test]
    fn enough_failures_in_a_row_are_always_unhealthy_and_enough_passes_always_healthy(
        before in prop::collection::vec(verdict(), 0..30),
        failure_threshold in 1..5_u32,
        success_threshold in 1..4_u32,
    ) {
        let policy = policy(failure_threshold, success_threshold);
        let times = |verdict, count: u32| vec![verdict; usize::try_from(count).unwrap()];
        let ill = [before.clone(), times(FAIL, failure_threshold)].concat();
        prop_assert_eq!(after(&ill, policy).status(), Some(HealthStatus::Unhealthy));
        let well = [before, times(PASS, success_threshold)].concat();
        prop_assert!(after(&well, policy).allows_ready());
    }
}
