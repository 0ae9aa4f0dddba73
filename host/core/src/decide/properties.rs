//! What holds whatever happens: random histories of a server, played by a simulated executor.

mod books;
mod simulation;

use proptest::prelude::*;

use self::simulation::{Happening, Outcome, Secret, World};
use crate::check::{FailureKind, Inconclusive, Verdict};
use crate::instance::Survival;
use crate::server::Strategy as Rollout;

/// Long enough for a rollout with a failure in its middle, short enough to be read when it fails.
const HISTORY_LENGTH_MAX: usize = 80;

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        3 => Just(Verdict::Pass),
        1 => Just(Verdict::Warn),
        1 => Just(Verdict::Fail),
        1 => Just(Verdict::Failure(FailureKind::Tool)),
        3 => Just(Verdict::Failure(FailureKind::Timeout)),
        1 => Just(Verdict::Inconclusive(Inconclusive::Trap)),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![4 => Just(Outcome::Success), 1 => Just(Outcome::Failure)]
}

fn secret() -> impl Strategy<Value = Secret> {
    prop_oneof![3 => (0..3_u8).prop_map(Secret::Value), 1 => Just(Secret::Missing)]
}

fn survival() -> impl Strategy<Value = Survival> {
    prop_oneof![Just(Survival::Ends), Just(Survival::MayLive)]
}

fn happening() -> impl Strategy<Value = Happening> {
    let which = 0..8_usize;
    prop_oneof![
        30 => (which.clone(), outcome()).prop_map(|(which, outcome)| Happening::WorkEnds(which, outcome)),
        20 => which.clone().prop_map(Happening::Connected),
        5 => which.clone().prop_map(Happening::Disconnected),
        30 => (which.clone(), verdict()).prop_map(|(which, verdict)| Happening::Checked(which, verdict)),
        10 => which.clone().prop_map(Happening::Exited),
        5 => which.clone().prop_map(Happening::DeletedByHand),
        5 => which.clone().prop_map(Happening::EngineGoes),
        5 => which.clone().prop_map(Happening::EngineComes),
        3 => which.clone().prop_map(Happening::Refused),
        3 => which.prop_map(Happening::ExitedOverGreeting),
        20 => (0..400_u64).prop_map(Happening::TimePasses),
        5 => (0..3_u8).prop_map(Happening::LaunchChanges),
        5 => secret().prop_map(Happening::SecretChanges),
        5 => (0..4_usize).prop_map(Happening::Scaled),
        1 => Just(Happening::ServerDeleted),
        5 => survival().prop_map(Happening::McpdRestarts),
    ]
}

fn history() -> impl Strategy<Value = Vec<(Happening, bool)>> {
    prop::collection::vec((happening(), prop::bool::weighted(0.7)), 1..HISTORY_LENGTH_MAX)
}

fn strategy() -> impl Strategy<Value = Rollout> {
    prop_oneof![Just(Rollout::Rolling), Just(Rollout::Recreate)]
}

proptest! {
    /// The simulation asserts after each happening and in each pass: see [`World::pass`] and
    /// [`World::happens`] for what.
    #[test]
    fn whatever_happens_the_promises_hold_and_the_plan_converges(
        replicas in 0..4_usize,
        strategy in strategy(),
        restarts: bool,
        history in history(),
    ) {
        let mut world = World::new(replicas, strategy, restarts);
        for (happening, is_noticed) in history {
            world.happens(happening);
            if is_noticed {
                world.pass();
            }
        }
        world.comes_to_rest();
    }

    #[test]
    fn without_anything_new_a_few_passes_plan_nothing_more(
        replicas in 0..4_usize,
        strategy in strategy(),
        history in history(),
    ) {
        let mut world = World::new(replicas, strategy, false);
        for (happening, _) in history {
            world.happens(happening);
            world.passes_until_quiet();
        }
    }
}
