//! The ledger over a store that fails, forgets and is slow to be asked.

use jiff::Timestamp;
use mcpd_core::instance::{Count, Instance, Moment};
use mcpd_core::server::Revision;

use super::*;
use crate::store::memory::MemoryStore;
use crate::store::{Change, Expected, ServerDraft};

struct World {
    store: Arc<MemoryStore>,
    ledger: Ledger,
    end: CancellationToken,
    writing: tokio::task::JoinSet<()>,
}

async fn world() -> World {
    let store = Arc::new(MemoryStore::default());
    put_server(&store, "demo").await;
    let ledger = Ledger::new(Arc::clone(&store) as Arc<dyn Store>);
    let (end, mut writing) = (CancellationToken::new(), tokio::task::JoinSet::new());
    let (writer, until) = (ledger.clone(), end.clone());
    writing.spawn(async move { writer.write_until(until).await });
    World { store, ledger, end, writing }
}

async fn put_server(store: &MemoryStore, name: &str) {
    let draft = ServerDraft { name: name.into(), manifest: "{}".into(), applied: false };
    store.write(&[Change::PutServer(draft, Expected::Any)], Timestamp::UNIX_EPOCH).await.unwrap();
}

fn cell(id: &str, server: &str) -> Arc<Cell> {
    let now = Timestamp::UNIX_EPOCH;
    Cell::new(Instance::new(id.into(), server.into(), Revision::default(), now), now)
}

fn fail(cell: &Cell, words: &str) {
    let schedule = mcpd_core::backoff::Schedule::default();
    let now = Timestamp::UNIX_EPOCH;
    let moment = Moment { now, schedule: &schedule, chance: mcpd_core::backoff::Chance::ZERO };
    let change = |i: Instance| i.woken(now, Count::Keep, now).start_failed(words.to_owned(), moment);
    cell.transition(now, change, |_| ());
}

impl World {
    async fn kept(&self) -> Vec<(String, u32)> {
        let rows = self.store.list_instances().await.unwrap();
        rows.iter().map(|row| (row.instance.id.to_string(), row.instance.attempts.count)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_noted_is_written_soon_and_what_is_persisted_at_once() {
    let world = world().await;
    let demo = cell("a", "demo");
    world.ledger.note(&demo);
    assert!(world.kept().await.is_empty());
    tokio::time::sleep(GATHER * 2).await;
    assert_eq!(world.kept().await, [("a".to_owned(), 0)]);
    fail(&demo, "no");
    world.ledger.persist(&demo).await.unwrap();
    assert_eq!(world.kept().await, [("a".to_owned(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_store_is_tried_again_without_another_change_and_gets_the_newest_state() {
    let world = world().await;
    let demo = cell("a", "demo");
    world.store.set_broken(true);
    assert!(world.ledger.persist(&demo).await.is_err(), "who waits is told");
    fail(&demo, "no");
    fail(&demo, "no");
    world.store.set_broken(false);
    tokio::time::sleep(RETRY * 2).await;
    assert_eq!(world.kept().await, [("a".to_owned(), 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_failed_is_made_later_and_no_late_note_brings_the_row_back() {
    let world = world().await;
    let demo = cell("a", "demo");
    world.ledger.persist(&demo).await.unwrap();
    world.store.set_broken(true);
    assert!(world.ledger.remove(&demo).await.is_err());
    world.store.set_broken(false);
    tokio::time::sleep(RETRY * 2).await;
    assert!(world.kept().await.is_empty());
    world.ledger.persist(&demo).await.unwrap();
    assert!(world.kept().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_note_of_a_forgotten_server_does_not_keep_others_from_being_written() {
    let world = world().await;
    let (lost, demo) = (cell("a", "gone"), cell("b", "demo"));
    world.ledger.note(&lost);
    world.ledger.persist(&demo).await.unwrap();
    assert_eq!(world.kept().await, [("b".to_owned(), 0)]);
}

#[tokio::test(start_paused = true)]
async fn the_end_writes_what_is_left_and_nobody_waits_for_a_ledger_that_has_ended() {
    let mut world = world().await;
    let demo = cell("a", "demo");
    world.ledger.note(&demo);
    world.end.cancel();
    world.writing.join_next().await.unwrap().unwrap();
    assert_eq!(world.kept().await, [("a".to_owned(), 0)]);
    assert!(world.ledger.persist(&demo).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_is_written_without_gathering_and_without_waiting() {
    let world = world().await;
    let demo = cell("a", "demo");
    world.ledger.note(&demo);
    world.ledger.hurry();
    tokio::time::sleep(GATHER / 100).await;
    assert_eq!(world.kept().await, [("a".to_owned(), 0)]);
}
