//! Many callers of one connection: each gets the answer to its own question.

use futures::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use super::post;
use crate::harness::{Launch, Place, contained, is_functional};

/// Issue 3.
const CALLERS: usize = 100;
/// What one program asks at once, where starting a hundred programs is not the greater part.
const IN_FLIGHT: usize = 100;
const ROUNDS: usize = 10;

#[tokio::test]
async fn a_hundred_callers_at_once_get_their_own_answers_over_one_container() {
    let Some(place) = Place::docked() else { return };
    let daemon = Launch::serve().start(&place).await;
    daemon.apply(&[contained("shared", place.dock())]).await;
    let view = daemon.instance("shared", is_functional).await;

    let start = Instant::now();
    let calls = (0..CALLERS).map(async |number| {
        let text = format!("caller {number} asks");
        let arguments = json!({ "text": text }).to_string();
        (daemon.ctl_words(&["call", "shared", "echo", &arguments], "").await, text)
    });
    for (ran, text) in join_all(calls).await {
        assert_eq!(ran.done(), format!("{text}\n"));
    }
    println!("{CALLERS} `mcpctl call`s at once over one stdio container: {:?}", start.elapsed());

    let start = Instant::now();
    for round in 0..ROUNDS {
        let calls = (0..IN_FLIGHT).map(async |number| {
            let text = format!("request {number} of round {round}");
            (post(&daemon, &view, "echo", json!({ "text": text })).await, text)
        });
        for (answer, text) in join_all(calls).await {
            assert_eq!(answer.body["result"]["content"][0]["text"], text.as_str(), "{answer:?}");
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let per_second = f64::from(u32::try_from(ROUNDS * IN_FLIGHT).unwrap()) / seconds;
    println!("{IN_FLIGHT} requests in flight over one stdio container: {per_second:.0} a second");
    let after = daemon.instances("shared").await.pop().unwrap();
    assert_eq!((&after["containerId"], &after["restarts"]), (&view["containerId"], &json!(0)));
}
