//! The runtime `docker` under the conformance suite, on a real engine.

mod adoption;
mod away;
mod engine;
mod own;
mod place;
mod private;
mod relay;

use super::conformance;
use place::Place;

macro_rules! conforms {
    ($($name:ident)*) => {$(
        #[tokio::test]
        async fn $name() {
            let Some(place) = Place::find() else { return };
            conformance::$name(&place.subject()).await;
        }
    )*};
}

conforms! {
    streams_pass_through
    an_exit_is_an_event_with_its_code_and_last_words
    an_exit_is_noticed_at_once
    a_missing_program_fails_the_start
    a_stop_then_says_term
    a_stop_kills_in_the_end
    a_stop_ends_the_whole_tree
    an_exit_ends_the_whole_tree
    one_instance_never_runs_twice
    a_stop_of_nothing_is_done
    logs_are_masked_and_keep_the_attempt_before
    a_log_is_followed_until_the_instance_is_removed
    a_start_that_is_given_up_leaves_nothing
}
