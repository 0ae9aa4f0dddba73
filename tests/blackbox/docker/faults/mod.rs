//! What can happen to a server in a container, as a table: when it is noticed, what is shown, what comes back.
//!
//! The table is `docs/faults.md`. The test fails where its words differ from what it sees, and where the median of
//! several exits is noticed too late; the other times are shown and not asserted.

mod container;
mod engine;
mod table;

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use self::table::Row;
use crate::harness::{Daemon, Launch, Place, PrivateEngine};

/// Issue 3.
const EXIT_NOTICED_WITHIN: Duration = Duration::from_millis(200);
/// Often enough for a time in milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// Longer than any fault of the table takes to be seen, or to be over.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn each_fault_is_noticed_shown_and_mended_as_the_documentation_says() {
    let Some(place) = Place::docked() else { return };
    let mut rows = on_a_shared_engine(&place).await;
    drop(place);
    let Some(mut own) = PrivateEngine::start(&[]).await else { return };
    rows.extend(on_an_engine_of_its_own(&mut own).await);
    let Some(mut own) = PrivateEngine::start(&["--live-restore"]).await else { return };
    let place = Place::on(&own.engine());
    let daemon = launch().start(&place).await;
    rows.push(engine::killed_and_containers_live_on(&daemon, &mut own).await);
    drop((daemon, place));
    table::compare(&rows);
}

async fn on_a_shared_engine(place: &std::sync::Arc<Place>) -> Vec<Row> {
    let daemon = launch().start(place).await;
    let dock = place.dock();
    vec![
        container::killed(&daemon, dock).await,
        container::exits_with_code_0(&daemon, dock).await,
        container::out_of_memory(&daemon, dock).await,
        container::removed_by_hand(&daemon, dock).await,
        container::stopped_in_its_tracks(&daemon, dock).await,
        container::no_more_threads(&daemon, dock).await,
        container::image_that_does_not_exist(&daemon, dock).await,
        container::name_that_is_taken(&daemon, dock).await,
    ]
}

async fn on_an_engine_of_its_own(own: &mut PrivateEngine) -> Vec<Row> {
    let place = Place::on(&own.engine());
    let daemon = launch().start(&place).await;
    let frozen = engine::frozen(&daemon, own).await;
    let restarted = engine::restarted_under_load(&daemon, own).await;
    drop((daemon, place));
    vec![restarted, frozen]
}

/// Attempts follow each other after a second: nobody wants to watch the default, which is 30 s.
fn launch() -> Launch {
    Launch::serve().variable("MCPD_BACKOFF_FAST_SECONDS", "1")
}

/// The one instance of a server as soon as it is as it should be, and how long that took from `start` on.
async fn watch(
    daemon: &Daemon,
    server: &str,
    start: Instant,
    is_so: impl Fn(&Value) -> bool,
) -> (Value, Duration) {
    loop {
        let view = daemon.instances(server).await.pop().unwrap_or_default();
        if is_so(&view) {
            return (view, start.elapsed());
        }
        assert!(start.elapsed() < PATIENCE, "{server} did not become what it should be: {view:#}");
        sleep(LOOK_EVERY).await;
    }
}
