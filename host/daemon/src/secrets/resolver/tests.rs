//! Resolution end to end, over a real store and each kind of backend.

use super::super::Environment;
use super::super::conformance::data;
use super::*;
use crate::store::conformance::at;
use crate::store::sqlite::SqliteStore;
use crate::store::{BackendDraft, Change, Expected, SecretDraft};

struct World {
    store: Arc<dyn Store>,
    resolver: Resolver,
    _guard: tempfile::TempDir,
}

async fn world() -> World {
    let guard = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&guard.path().join("mcpd.db")).await.unwrap());
    let key = SealedKey::random().unwrap();
    let variables = [("MCPD_SECRET_HOST_TOKEN", "from-environment")];
    let environment: Environment =
        variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let backends = Backends::new(store.clone(), &key, environment);
    let resolver = Resolver::new(store.clone(), backends, &key, "vars".to_owned());
    let world = World { store, resolver, _guard: guard };
    world.put_backend("vars", "env", "{}").await;
    world.put_secret("host", "vars", None).await;
    world.put_secret("gitea", "sealed", Some(data(&[("token", "t0ken-value"), ("blank", "")]))).await;
    world
}

impl World {
    async fn put_secret(&self, name: &str, backend: &str, data: Option<SecretData>) {
        let values = match data {
            Some(data) => self.resolver.write(backend, name, &data).await.unwrap(),
            None => SealedValues::Keep,
        };
        let draft =
            SecretDraft { name: name.into(), backend: backend.into(), keys: vec![], values, applied: false };
        self.store.write(&[Change::PutSecret(draft, Expected::Any)], at(0)).await.unwrap();
    }

    async fn put_backend(&self, name: &str, backend_type: &str, config: &str) {
        let draft = BackendDraft {
            name: name.into(),
            backend_type: backend_type.into(),
            config: config.into(),
            is_default: false,
            applied: false,
        };
        self.store.write(&[Change::PutBackend(draft, Expected::Any)], at(0)).await.unwrap();
    }
}

fn entry(variable: &str, secret: &str, key: &str) -> EnvEntry {
    let reference = SecretRef { name: secret.into(), key: key.into(), allow_empty: false };
    EnvEntry { name: variable.into(), source: EnvSource::Secret(reference) }
}

#[tokio::test]
async fn an_environment_is_complete_with_values_of_several_backends() {
    let world = world().await;
    let literal = EnvEntry { name: "HOST".into(), source: EnvSource::Literal(String::new()) };
    let entries =
        [literal, entry("A", "gitea", "token"), entry("B", "host", "token"), entry("C", "gitea", "token")];
    let resolved = world.resolver.resolve(&entries).await.unwrap();
    let seen: Vec<_> = resolved.env.variables.iter().map(|(name, v)| (name.as_str(), v.expose())).collect();
    assert_eq!(seen, [("HOST", ""), ("A", "t0ken-value"), ("B", "from-environment"), ("C", "t0ken-value")]);
    assert!(!format!("{resolved:?}").contains("t0ken"));
    assert_eq!(world.resolver.fingerprint(&entries).await, Some(resolved.fingerprint));
}

#[tokio::test]
async fn rule_3_2_every_failure_is_collected_with_its_backend() {
    let world = world().await;
    world.put_secret("orphan", "vanished", None).await;
    world.put_backend("later", "openbao", "{}").await;
    world.put_secret("bao", "later", None).await;
    let entries = [
        entry("OK", "gitea", "token"),
        entry("BLANK", "gitea", "blank"),
        entry("KEY", "gitea", "other"),
        entry("GONE", "nowhere", "token"),
        entry("VAR", "host", "user"),
        entry("ORPHAN", "orphan", "token"),
        entry("BAO", "bao", "token"),
    ];
    let error = world.resolver.resolve(&entries).await.unwrap_err().to_string();
    insta::assert_snapshot!(error.replace("; ", ";\n"), @r"
    secret resolution failed: variable BLANK: secret gitea, key blank, backend sealed: value is empty;
    variable KEY: secret gitea, key other, backend sealed: key not found;
    variable GONE: secret nowhere, key token, backend vars: secret not found;
    variable VAR: secret host, key user, backend vars: key not found;
    variable ORPHAN: secret orphan, key token, backend vanished: backend unreachable: no secret backend of that name;
    variable BAO: secret bao, key token, backend later: backend unreachable: unknown type openbao: this mcpd knows sealed, env and file
    ");
    assert_eq!(world.resolver.fingerprint(&entries).await, None);
}

#[tokio::test]
async fn a_fingerprint_changes_with_a_value_and_with_nothing_else() {
    let world = world().await;
    let (a, b) = (entry("A", "gitea", "token"), entry("B", "host", "token"));
    let first = world.resolver.fingerprint(&[a.clone(), b.clone()]).await.unwrap();
    let renamed = EnvEntry { name: "OTHER".into(), ..a.clone() };
    world.put_secret("gitea", "sealed", Some(data(&[("token", "t0ken-value")]))).await;
    assert_eq!(world.resolver.fingerprint(&[b.clone(), renamed, a.clone()]).await.unwrap(), first);
    world.put_secret("gitea", "sealed", Some(data(&[("token", "rotated-value")]))).await;
    assert_ne!(world.resolver.fingerprint(&[a, b]).await.unwrap(), first);
}

#[tokio::test]
async fn people_see_twelve_characters_of_a_fingerprint() {
    let world = world().await;
    let row = world.store.find_secret("gitea").await.unwrap().unwrap();
    let shown = world.resolver.fingerprints(&row).await.unwrap();
    assert_eq!(shown.keys().collect::<Vec<_>>(), ["blank", "token"]);
    assert!(shown.values().all(|shown| shown.as_ref().is_some_and(|text| text.len() == 12)));
}

#[tokio::test]
async fn an_unknown_secret_is_missed_in_the_configured_default_backend() {
    let world = world().await;
    let error = world.resolver.resolve(&[entry("A", "nowhere", "k")]).await.unwrap_err();
    assert_eq!(error.0[0].cause, LookupFailure { backend: "vars".into(), failure: SecretFailure::NotFound });
}

#[test]
fn values_are_told_apart_by_where_they_are() {
    let fingerprinter = Fingerprinter(SealedKey::random().unwrap().for_fingerprints());
    let value = SecretValue::new("same".into());
    assert_ne!(fingerprinter.shown("a", "bc", &value), fingerprinter.shown("ab", "c", &value));
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_never_answers_is_unreachable_after_its_deadline() {
    let outcome: Result<(), _> = timed("slow", std::future::pending()).await;
    let failure = SecretFailure::Unreachable("no answer within 10s".into());
    assert_eq!(outcome, Err(LookupFailure { backend: "slow".into(), failure }));
}
