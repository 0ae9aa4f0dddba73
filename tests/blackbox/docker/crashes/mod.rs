//! `kill -9` of mcpd at random moments, while people change what is to run, and a start on what it left.
//!
//! After each start: owned containers = wanted ones, within 10 s; what was acknowledged is there; no attempt
//! count is lost; and no instance ever has a second container.

mod chance;
mod people;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use self::chance::Chance;
use self::people::People;
use crate::harness::{Daemon, INSTANCE, Launch, Place, PrivateEngine, label, until_some};

/// How many rounds: a few where somebody runs the tests by hand, 200 in CI (issue 3), and a tenth of it with an engine
/// that is killed too.
const ROUNDS: &str = "MCPD_TEST_CRASHES";
const ROUNDS_DEFAULT: u64 = 5;
/// Issue 3.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);
/// Long enough for a change to be carried out, and short enough for many rounds.
const LIFE_MS_MAX: u64 = 1_000;
/// One of so many starts is killed while it starts itself, within [`BOOT_MS_MAX`].
const BOOTS: u64 = 4;
const BOOT_MS_MAX: u64 = 250;

#[tokio::test]
async fn whenever_mcpd_is_killed_its_successor_has_what_is_wanted_and_nothing_else() {
    let Some(place) = Place::docked() else { return };
    rounds(number(ROUNDS).unwrap_or(ROUNDS_DEFAULT), &place, None).await;
}

#[tokio::test]
async fn whenever_mcpd_and_the_engine_are_killed_their_successors_have_what_is_wanted_and_nothing_else() {
    let Some(mut engine) = PrivateEngine::start(&[]).await else { return };
    let place = Place::on(&engine.engine());
    rounds(number(ROUNDS).map_or(ROUNDS_DEFAULT, |rounds| rounds / 10), &place, Some(&mut engine)).await;
}

async fn rounds(rounds: u64, place: &Arc<Place>, mut engine: Option<&mut PrivateEngine>) {
    let mut chance = Chance::of_this_run();
    println!("{rounds} rounds, seed {} (set {} to have it again)", chance.seed(), chance::SEED);
    let launch = if engine.is_some() { scanning } else { plain };
    let mut daemon = launch().start(place).await;
    let mut people = People::default();
    let (mut slowest, start) = (Duration::ZERO, Instant::now());
    for round in 0..rounds {
        let life = chance.below_ms(LIFE_MS_MAX);
        // Whatever is under way when it is killed is dropped in the middle.
        let _ = timeout(life, people.change(&daemon, &mut chance)).await;
        daemon.kill();
        daemon = match &mut engine {
            Some(engine) => next_with_engine(place, engine, &mut chance).await,
            None => next(place, &mut chance, launch).await,
        };
        slowest = slowest.max(settle(&daemon, place, &mut people).await);
        people.miss_no_attempt(&daemon, round).await;
    }
    println!("{rounds} rounds in {:?}; the slowest took {slowest:?} to settle", start.elapsed());
}

/// The next mcpd, or the one after that.
async fn next(place: &Arc<Place>, chance: &mut Chance, launch: fn() -> Launch) -> Daemon {
    if chance.below(BOOTS) == 0 {
        let half = launch().spawn(place);
        sleep(chance.below_ms(BOOT_MS_MAX)).await;
        half.kill();
    }
    launch().start(place).await
}

/// The next mcpd, with the next engine there before it or after it.
async fn next_with_engine(place: &Arc<Place>, engine: &mut PrivateEngine, chance: &mut Chance) -> Daemon {
    engine.kill();
    if chance.below(2) == 0 {
        engine.start_again().await;
        return next(place, chance, scanning).await;
    }
    let daemon = next(place, chance, scanning).await;
    engine.start_again().await;
    daemon
}

/// Fast attempts, so that there are counts to lose.
fn plain() -> Launch {
    Launch::serve().variable("MCPD_BACKOFF_FAST_SECONDS", "1")
}

/// What an engine holds that was away at the boot, and that nothing needs, is found by the scan, which comes every
/// 30 s by default.
fn scanning() -> Launch {
    plain().variable("MCPD_RECONCILE_SCAN_SECONDS", "5")
}

#[expect(clippy::disallowed_methods, reason = "how long a test runs is a matter of who runs it")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// How long it took until owned containers = wanted ones.
async fn settle(daemon: &Daemon, place: &Arc<Place>, people: &mut People) -> Duration {
    let start = Instant::now();
    people.look(daemon).await;
    let mut last = String::new();
    let settled = until_some(SETTLED_WITHIN, async || {
        last = what_is_amiss(daemon, place, people).await?;
        last.is_empty().then_some(())
    });
    let settled = settled.await;
    assert!(settled.is_some(), "not settled within {SETTLED_WITHIN:?}: {last}");
    start.elapsed()
}

/// What is owned and not wanted, and what is wanted and not there; empty where all is well.
async fn what_is_amiss(daemon: &Daemon, place: &Arc<Place>, people: &People) -> Option<String> {
    let containers = place.dock().owned();
    let views = daemon.get("/instances").await.body["items"].as_array()?.clone();
    let mut by_instance = BTreeMap::<&str, Vec<&str>>::new();
    for container in &containers {
        let (instance, id) = (label(container, INSTANCE)?, container["Id"].as_str()?);
        by_instance.entry(instance).or_default().push(id);
    }
    let second = by_instance.iter().find(|(_, ids)| ids.len() > 1);
    assert!(second.is_none(), "a second container for one instance: {second:?}");
    let known: BTreeMap<_, _> =
        views.iter().filter_map(|view| Some((view["id"].as_str()?, view["server"].as_str()?))).collect();
    if let Some(orphan) = by_instance.keys().find(|instance| !known.contains_key(*instance)) {
        return Some(format!("the container of instance {orphan}, which nobody knows, is there"));
    }
    Some(people.missing(&running_by_server(&containers, &known), &views).unwrap_or_default())
}

fn running_by_server<'a>(
    containers: &'a [Value],
    known: &BTreeMap<&'a str, &'a str>,
) -> BTreeMap<&'a str, usize> {
    let mut running = BTreeMap::new();
    for container in containers.iter().filter(|container| container["State"]["Running"] == true) {
        if let Some(server) = label(container, INSTANCE).and_then(|instance| known.get(instance)) {
            *running.entry(*server).or_default() += 1;
        }
    }
    running
}
