//! What every store must do: one suite that each adapter passes, run by `conformance!(open)` in its tests.
//!
//! `open` is an async function that gives a fresh store and what keeps it alive.

use jiff::Timestamp;
use mcpd_core::backoff::{Chance, Schedule};
use mcpd_core::check::{CheckRecord, Verdict};
use mcpd_core::event::{EVENTS_MAX, EventDraft, PULLING};
use mcpd_core::instance::{AfterStop, AttemptError, AttemptReason, Exit, Instance, Moment, Survival};
use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::server::{CheckPolicy, Revision};

use super::{
    BackendDraft, CHECKS_MAX, Change, EVENTS_OF_GONE_SERVERS_MAX, EVENTS_PER_SERVER_MAX, Expected,
    InstanceRow, MetaKey, Object, ProbeState, SealedValue, SealedValues, SecretDraft, ServerDraft, Store,
    StoreError,
};

/// Makes one test of each scenario.
macro_rules! conformance {
    ($open:path) => {
        $crate::store::conformance::conformance!($open:
            what_was_put_under_a_meta_key_is_found,
            a_put_creates_and_then_counts_the_version_up,
            a_put_with_another_version_in_mind_is_refused,
            a_server_is_deleted_in_two_steps,
            a_restart_counts_the_nonce_and_keeps_the_version,
            what_an_apply_made_stays_marked,
            a_write_makes_all_changes_or_none,
            a_secret_is_replaced_with_all_its_values,
            a_secret_can_be_put_without_touching_its_values,
            one_backend_at_most_is_the_default,
            a_backend_in_use_is_not_removed,
            an_instance_comes_back_as_it_was_in_every_phase,
            an_instance_without_a_server_is_refused,
            events_are_raised_and_kept_within_their_bound,
            progress_is_one_event_that_what_follows_replaces,
            events_of_what_is_gone_stay_within_their_bound,
            events_are_listed_newest_last,
            checks_are_kept_within_their_bound_newest_first,
            checks_of_an_instance_that_is_gone_are_dropped,
            probe_state_is_replaced_as_a_whole,
            concurrent_writers_lose_nothing,
            debug_shows_no_sealed_bytes
        );
    };
    ($open:path: $($scenario:ident),+) => {
        $(
            #[tokio::test]
            async fn $scenario() {
                let (store, _guard) = $open().await;
                $crate::store::conformance::$scenario(&store).await;
            }
        )+
    };
}
pub(crate) use conformance;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn put_server(name: &str) -> Change {
    Change::PutServer(draft(name, "{}"), Expected::Any)
}

fn draft(name: &str, manifest: &str) -> ServerDraft {
    ServerDraft { name: name.into(), manifest: manifest.into(), applied: false }
}

pub(crate) fn put_secret(name: &str, keys: &[&str]) -> Change {
    let sealed = |key: &&str| SealedValue {
        key: (*key).to_owned(),
        nonce: vec![7; 24],
        ciphertext: format!("sealed {key}").into_bytes(),
    };
    Change::PutSecret(
        SecretDraft {
            name: name.into(),
            backend: "sealed".into(),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            values: SealedValues::Replace(keys.iter().map(sealed).collect()),
            applied: false,
        },
        Expected::Any,
    )
}

fn put_backend(name: &str, is_default: bool) -> Change {
    let backend_type = "env".into();
    let draft =
        BackendDraft { name: name.into(), backend_type, config: "{}".into(), is_default, applied: false };
    Change::PutBackend(draft, Expected::Any)
}

pub(crate) fn instance(id: &str, server: &str) -> InstanceRow {
    let revision = Revision { launch: "launch".into(), secrets: Some("secrets".into()) };
    let instance = Instance::new(id.into(), server.into(), revision, at(0));
    InstanceRow { instance, handle: None, pid: None, container_id: None, image: None, port: None }
}

pub(crate) fn check(second: i64) -> CheckRecord {
    CheckRecord {
        at: at(second),
        duration: std::time::Duration::from_millis(3),
        verdict: Verdict::Pass,
        message: format!("check {second}"),
        reason: String::new(),
        details: Some("{\"rows\":1}".into()),
        probe: "liveness".into(),
        digest: "sha256:0".into(),
        logs: vec![],
        measures: vec![],
        calls: vec![],
        manual: false,
        ended_by_host: false,
    }
}

fn moment(schedule: &Schedule, second: i64) -> Moment<'_> {
    Moment { now: at(second), schedule, chance: Chance::ZERO }
}

async fn instances(store: &dyn Store) -> Vec<InstanceRow> {
    store.list_instances().await.unwrap()
}

pub(crate) async fn what_was_put_under_a_meta_key_is_found(store: &dyn Store) {
    store.ping().await.unwrap();
    assert_eq!(store.find_meta(MetaKey::OwnerId).await.unwrap(), None);
    store.put_meta(MetaKey::OwnerId, "one").await.unwrap();
    store.put_meta(MetaKey::OwnerId, "two").await.unwrap();
    assert_eq!(store.find_meta(MetaKey::OwnerId).await.unwrap().as_deref(), Some("two"));
    assert_eq!(store.find_meta(MetaKey::SealedKeyCheck).await.unwrap(), None);
}

pub(crate) async fn a_put_creates_and_then_counts_the_version_up(store: &dyn Store) {
    let put = |manifest| [Change::PutServer(draft("gitea", manifest), Expected::Any)];
    assert_eq!(store.write(&put("{\"a\":1}"), at(1)).await.unwrap(), [1]);
    assert_eq!(store.write(&put("{\"a\":2}"), at(2)).await.unwrap(), [2]);
    let row = store.find_server(&"gitea".into()).await.unwrap().unwrap();
    assert_eq!((row.manifest.as_str(), row.version), ("{\"a\":2}", 2));
    assert_eq!((row.created_at, row.updated_at), (at(1), at(2)));
    assert_eq!(store.list_servers().await.unwrap(), [row]);
    assert_eq!(store.find_server(&"other".into()).await.unwrap(), None);
}

pub(crate) async fn a_put_with_another_version_in_mind_is_refused(store: &dyn Store) {
    let put = |expected| [Change::PutServer(draft("gitea", "{}"), expected)];
    let error = store.write(&put(Expected::Version(1)), at(1)).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound(Object::Server(name)) if name == "gitea"));
    assert_eq!(store.write(&put(Expected::Absent), at(1)).await.unwrap(), [1]);
    let error = store.write(&put(Expected::Absent), at(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "server gitea exists already");
    assert_eq!(store.write(&put(Expected::Version(1)), at(1)).await.unwrap(), [2]);
    let error = store.write(&put(Expected::Version(1)), at(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "server gitea has version 2, not 1");
}

pub(crate) async fn a_server_is_deleted_in_two_steps(store: &dyn Store) {
    let name = ServerName::new("gitea");
    let delete = |expected| [Change::DeleteServer("gitea".into(), expected)];
    assert!(matches!(store.write(&delete(Expected::Any), at(1)).await, Err(StoreError::NotFound(_))));
    store.write(&[put_server("gitea")], at(1)).await.unwrap();
    store.put_instance(&instance("abc123", "gitea")).await.unwrap();
    assert!(matches!(store.forget_server(&name).await, Err(StoreError::NotDeleting(_))));

    assert!(matches!(
        store.write(&delete(Expected::Version(9)), at(1)).await,
        Err(StoreError::Conflict { .. })
    ));
    store.write(&delete(Expected::Version(1)), at(2)).await.unwrap();
    assert!(store.find_server(&name).await.unwrap().unwrap().deleting);
    assert!(matches!(store.write(&[put_server("gitea")], at(3)).await, Err(StoreError::Deleting(_))));
    assert_eq!(instances(store).await.len(), 1, "instances go last");

    store.forget_server(&name).await.unwrap();
    store.forget_server(&name).await.unwrap();
    assert_eq!(store.find_server(&name).await.unwrap(), None);
    assert_eq!(instances(store).await, []);
    assert_eq!(store.list_events(Some(&name), 10).await.unwrap().len(), 1, "events outlive it");
}

pub(crate) async fn a_restart_counts_the_nonce_and_keeps_the_version(store: &dyn Store) {
    let restart = [Change::RestartServer("gitea".into())];
    assert!(matches!(store.write(&restart, at(1)).await, Err(StoreError::NotFound(_))));
    store.write(&[put_server("gitea")], at(1)).await.unwrap();
    assert_eq!(store.write(&restart, at(2)).await.unwrap(), [1]);
    let row = store.find_server(&"gitea".into()).await.unwrap().unwrap();
    assert_eq!((row.version, row.restart_nonce), (1, 1));
}

pub(crate) async fn what_an_apply_made_stays_marked(store: &dyn Store) {
    let applied = Change::PutServer(ServerDraft { applied: true, ..draft("gitea", "{}") }, Expected::Any);
    store.write(&[applied], at(1)).await.unwrap();
    store.write(&[put_server("gitea"), put_server("other")], at(2)).await.unwrap();
    let marks: Vec<bool> = store.list_servers().await.unwrap().iter().map(|row| row.applied).collect();
    assert_eq!(marks, [true, false]);
}

pub(crate) async fn a_write_makes_all_changes_or_none(store: &dyn Store) {
    let refused = Change::PutServer(draft("b", "{}"), Expected::Version(7));
    let changes = [put_backend("vault", true), put_secret("s", &["k"]), put_server("a"), refused];
    assert!(store.write(&changes, at(1)).await.is_err());
    assert_eq!(store.list_servers().await.unwrap(), []);
    assert_eq!(store.list_secrets().await.unwrap(), []);
    assert_eq!(store.list_backends().await.unwrap(), []);
    assert!(!store.has_sealed_values().await.unwrap());
    assert_eq!(store.write(&changes[..3], at(1)).await.unwrap(), [1, 1, 1]);
}

pub(crate) async fn a_secret_is_replaced_with_all_its_values(store: &dyn Store) {
    store.write(&[put_secret("creds", &["token", "user"])], at(1)).await.unwrap();
    assert!(store.has_sealed_values().await.unwrap());
    assert_eq!(store.list_sealed_keys("creds").await.unwrap(), ["token", "user"]);
    let value = store.find_sealed_value("creds", "user").await.unwrap().unwrap();
    assert_eq!((value.nonce.len(), value.ciphertext.as_slice()), (24, b"sealed user".as_slice()));

    store.write(&[put_secret("creds", &["token"])], at(2)).await.unwrap();
    assert_eq!(store.find_sealed_value("creds", "user").await.unwrap(), None);
    let row = store.find_secret("creds").await.unwrap().unwrap();
    assert_eq!((row.keys, row.version), (vec!["token".to_owned()], 2));

    store.write(&[Change::DeleteSecret("creds".into(), Expected::Version(2))], at(3)).await.unwrap();
    assert_eq!(store.find_secret("creds").await.unwrap(), None);
    assert!(!store.has_sealed_values().await.unwrap());
}

pub(crate) async fn a_secret_can_be_put_without_touching_its_values(store: &dyn Store) {
    store.write(&[put_secret("creds", &["token"])], at(1)).await.unwrap();
    let keep = SecretDraft {
        name: "creds".into(),
        backend: "sealed".into(),
        keys: vec!["token".into()],
        values: SealedValues::Keep,
        applied: true,
    };
    store.write(&[Change::PutSecret(keep, Expected::Any)], at(2)).await.unwrap();
    assert!(store.find_sealed_value("creds", "token").await.unwrap().is_some());
    assert!(store.find_secret("creds").await.unwrap().unwrap().applied);
}

pub(crate) async fn one_backend_at_most_is_the_default(store: &dyn Store) {
    store.write(&[put_backend("a", true), put_backend("b", true)], at(1)).await.unwrap();
    let defaults: Vec<bool> = store.list_backends().await.unwrap().iter().map(|row| row.is_default).collect();
    assert_eq!(defaults, [false, true]);
    store.write(&[put_backend("b", false)], at(2)).await.unwrap();
    let row = store.find_backend("b").await.unwrap().unwrap();
    assert_eq!((row.is_default, row.version, row.backend_type.as_str()), (false, 2, "env"));
}

pub(crate) async fn a_backend_in_use_is_not_removed(store: &dyn Store) {
    let mut secret = put_secret("creds", &[]);
    if let Change::PutSecret(draft, _) = &mut secret {
        draft.backend = "vault".into();
    }
    store.write(&[put_backend("vault", false), secret], at(1)).await.unwrap();
    let delete = Change::DeleteBackend("vault".into(), Expected::Any);
    let error = store.write(std::slice::from_ref(&delete), at(2)).await.unwrap_err();
    assert_eq!(error.to_string(), "secret backend vault is in use by secret creds");
    let both = [Change::DeleteSecret("creds".into(), Expected::Any), delete];
    assert_eq!(store.write(&both, at(2)).await.unwrap(), [0, 0]);
}

pub(crate) async fn an_instance_comes_back_as_it_was_in_every_phase(store: &dyn Store) {
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    let schedule = Schedule::default();
    let base = instance("abc123", "gitea");
    let running = base.instance.clone().secrets_resolved(at(1)).started(at(2));
    let connected = running.clone().connected("2025-11-25".into(), at(3));
    let folded = connected.health.clone().fold(&check(4), &CheckPolicy::default(), at(4));
    let healthy = connected.clone().with_health(folded.health, folded.event, at(4));
    let unhealthy = AttemptError { reason: AttemptReason::Unhealthy, message: "no answer".into() };
    let phases = [
        base.instance.clone(),
        running,
        connected.clone().disconnected("broken pipe".into(), at(5)),
        healthy.clone(),
        healthy.clone().exited(Exit::Code(137), "out of memory", moment(&schedule, 6)),
        healthy
            .clone()
            .exited(Exit::Code(1), "", moment(&schedule, 6))
            .begin_attempt(base.instance.revision.clone(), at(7)),
        connected.clone().stopping(AfterStop::Fail(unhealthy), "unhealthy", at(7)),
        healthy.clone().lost_sight("the engine does not answer".into(), at(5)),
        healthy.clone().interrupted(Survival::MayLive, &schedule, at(6)),
        connected.clone().stopping(AfterStop::Again("refused twice".into()), "refused twice", at(7)),
        connected
            .stopping(AfterStop::Remove, "deleted", at(7))
            .stop_failed("no".into(), moment(&schedule, 8)),
    ];
    for (n, instance) in phases.into_iter().enumerate() {
        // Each phase under an id of its own: it is no successor of the one before.
        let row = InstanceRow {
            instance: Instance { id: InstanceId::new(format!("phase{n:02}")), ..instance },
            handle: Some("opaque".into()),
            pid: Some(u32::MAX),
            container_id: Some("c0ffee".into()),
            image: Some("scratch".into()),
            port: Some(u16::MAX),
        };
        store.put_instance(&row).await.unwrap();
        assert_eq!(instances(store).await.last(), Some(&row));
    }
}

pub(crate) async fn an_instance_without_a_server_is_refused(store: &dyn Store) {
    let error = store.put_instance(&instance("abc123", "gone")).await.unwrap_err();
    assert_eq!(error.to_string(), "server gone does not exist");
    assert_eq!(store.list_events(None, 10).await.unwrap(), [], "its events neither");
}

pub(crate) async fn events_are_raised_and_kept_within_their_bound(store: &dyn Store) {
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    let mut row = instance("abc123", "gitea");
    for n in 0..130_i64 {
        // Two kinds in turn at one time, then a run of repetitions, several of them between two puts.
        let draft = EventDraft::warning("Tick", if n % 7 == 0 { "seven" } else { "other" });
        row.instance.events.push(draft, at(n / 4));
        if n % 3 == 0 {
            store.put_instance(&row).await.unwrap();
        }
    }
    for n in 0..200_i64 {
        row.instance.events.push(EventDraft::normal("Flood", n.to_string()), at(100 + n));
        if n % 60 == 0 {
            store.put_instance(&row).await.unwrap();
        }
    }
    store.put_instance(&row).await.unwrap();
    assert_eq!(instances(store).await, [row]);
    assert_eq!(store.list_events(None, 1000).await.unwrap().len(), EVENTS_MAX);
}

pub(crate) async fn progress_is_one_event_that_what_follows_replaces(store: &dyn Store) {
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    let mut row = instance("abc123", "gitea");
    for attempt in 0..60 {
        for part in 0..3 {
            let words = format!("{part} of 3 MiB");
            row.instance.events.push(EventDraft::normal(PULLING, words), at(attempt * 10 + part));
            store.put_instance(&row).await.unwrap();
            assert_eq!(instances(store).await, [row.clone()]);
        }
        let failure = EventDraft::warning("StartFailed", (attempt / 2).to_string());
        row.instance.events.push(failure, at(attempt * 10 + 5));
        if attempt % 3 != 0 {
            store.put_instance(&row).await.unwrap();
            assert_eq!(instances(store).await, [row.clone()]);
        }
    }
    store.put_instance(&row).await.unwrap();
    assert_eq!(instances(store).await, [row]);
    assert_eq!(store.list_events(None, 1000).await.unwrap().len(), 31);
}

pub(crate) async fn events_of_what_is_gone_stay_within_their_bound(store: &dyn Store) {
    let name = ServerName::new("gitea");
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    for n in 0..14 {
        let mut row = instance(&format!("i{n}"), "gitea");
        for k in 0..EVENTS_MAX {
            row.instance.events.push(EventDraft::normal("Tick", k.to_string()), at(n));
        }
        store.put_instance(&row).await.unwrap();
        store.delete_instance(&row.instance.id).await.unwrap();
    }
    assert_eq!(store.list_events(Some(&name), 9999).await.unwrap().len(), EVENTS_PER_SERVER_MAX);
    for n in 0..EVENTS_OF_GONE_SERVERS_MAX {
        let event = EventDraft::normal("Deleted", n.to_string());
        let server = ServerName::new(format!("gone-{}", n % 3));
        store.append_server_event(&server, &event, at(50)).await.unwrap();
    }
    store.write(&[Change::DeleteServer(name.clone(), Expected::Any)], at(60)).await.unwrap();
    store.forget_server(&name).await.unwrap();
    assert_eq!(store.list_events(None, 9999).await.unwrap().len(), EVENTS_OF_GONE_SERVERS_MAX);
}

pub(crate) async fn events_are_listed_newest_last(store: &dyn Store) {
    let name = ServerName::new("gitea");
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    store.put_instance(&instance("abc123", "gitea")).await.unwrap();
    for (second, message) in [(1, "a"), (2, "a"), (3, "b"), (4, "b")] {
        let event = EventDraft::warning("SecretMissing", message);
        store.append_server_event(&name, &event, at(second)).await.unwrap();
    }
    store.append_server_event(&"other".into(), &EventDraft::normal("X", ""), at(5)).await.unwrap();
    let rows = store.list_events(Some(&name), 10).await.unwrap();
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (row.event.message.as_str(), row.event.count, row.event.last_timestamp))
        .collect();
    assert_eq!(seen, [("Instance created", 1, at(0)), ("a", 2, at(2)), ("b", 2, at(4))]);
    assert_eq!(rows[0].instance, Some("abc123".into()));
    assert_eq!(rows[1].instance, None);
    let newest = store.list_events(None, 1).await.unwrap();
    assert_eq!(newest[0].server, "other".into());
}

pub(crate) async fn checks_are_kept_within_their_bound_newest_first(store: &dyn Store) {
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    for id in ["aaaaaa", "bbbbbb"] {
        store.put_instance(&instance(id, "gitea")).await.unwrap();
    }
    for batch in 0..100_i64 {
        let of = |n: i64| if n % 2 == 0 { "aaaaaa".into() } else { "bbbbbb".into() };
        let checks: Vec<_> = (0..100).map(|n| (of(n), check(batch * 100 + n))).collect();
        store.append_checks(&checks).await.unwrap();
    }
    let kept = store.list_checks(&"bbbbbb".into()).await.unwrap();
    assert_eq!(kept.len(), CHECKS_MAX);
    assert_eq!(kept[0], check(9999));
    assert_eq!(kept[CHECKS_MAX - 1], check(9961));
}

pub(crate) async fn checks_of_an_instance_that_is_gone_are_dropped(store: &dyn Store) {
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    store.put_instance(&instance("aaaaaa", "gitea")).await.unwrap();
    store.append_checks(&[("aaaaaa".into(), check(1)), ("gone".into(), check(1))]).await.unwrap();
    assert_eq!(store.list_checks(&"gone".into()).await.unwrap(), []);
    store.delete_instance(&"aaaaaa".into()).await.unwrap();
    assert_eq!(store.list_checks(&"aaaaaa".into()).await.unwrap(), []);
}

pub(crate) async fn probe_state_is_replaced_as_a_whole(store: &dyn Store) {
    let (name, probe) = (ServerName::new("gitea"), "tool-call");
    let state = |pairs: &[(&str, &[u8])]| -> ProbeState {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.to_vec())).collect()
    };
    let first = state(&[("a", b"1"), ("b", &[0, 255])]);
    store.replace_probe_state(&name, probe, &first).await.unwrap();
    assert_eq!(store.load_probe_state(&name, probe).await.unwrap(), ProbeState::new(), "no server yet");
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    store.replace_probe_state(&name, probe, &first).await.unwrap();
    assert_eq!(store.load_probe_state(&name, probe).await.unwrap(), first);
    let second = state(&[("c", b"")]);
    store.replace_probe_state(&name, probe, &second).await.unwrap();
    assert_eq!(store.load_probe_state(&name, probe).await.unwrap(), second);
    assert_eq!(store.load_probe_state(&name, "other").await.unwrap(), ProbeState::new());
}

pub(crate) async fn concurrent_writers_lose_nothing(store: &dyn Store) {
    store.write(&[put_server("gitea")], at(0)).await.unwrap();
    let writes = (0..50).map(|n| async move {
        store.write(&[put_server("gitea")], at(n)).await.unwrap();
        store.put_instance(&instance(&format!("i{n}"), "gitea")).await.unwrap();
        store.list_instances().await.unwrap();
    });
    futures::future::join_all(writes).await;
    assert_eq!(store.find_server(&"gitea".into()).await.unwrap().unwrap().version, 51);
    assert_eq!(instances(store).await.len(), 50);
}

pub(crate) async fn debug_shows_no_sealed_bytes(store: &dyn Store) {
    store.write(&[put_secret("creds", &["token"])], at(0)).await.unwrap();
    let value = store.find_sealed_value("creds", "token").await.unwrap();
    assert_eq!(format!("{value:?}"), "Some(SealedValue(token))");
    assert!(!format!("{:?}", put_secret("creds", &["token"])).contains("115"));
}
