//! What only sealing can get wrong.

use super::super::KeyError;
use super::super::conformance::{Given, TOKEN, conformance, data};
use super::*;
use crate::data_dir::DataDir;
use crate::store::conformance::at;
use crate::store::sqlite::SqliteStore;
use crate::store::{Change, Expected, SecretDraft};

async fn put(store: &dyn Store, name: &str, values: SealedValues) {
    let draft =
        SecretDraft { name: name.into(), backend: "sealed".into(), keys: vec![], values, applied: false };
    store.write(&[Change::PutSecret(draft, Expected::Any)], at(0)).await.unwrap();
}

async fn store() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Arc::new(SqliteStore::open(&folder.path().join("mcpd.db")).await.unwrap()), folder)
}

async fn given() -> Given {
    let (store, guard) = store().await;
    let sealed = Sealed::new(store.clone(), &SealedKey::random().unwrap());
    let values = sealed.write("creds", &data(&[("token", TOKEN), ("blank", "")])).await.unwrap();
    put(&*store, "creds", values).await;
    Given { backend: Box::new(sealed), _guard: Some(guard) }
}

conformance!(given);

#[tokio::test]
async fn a_ciphertext_that_was_moved_does_not_open() {
    let (store, _guard) = store().await;
    let sealed = Sealed::new(store.clone(), &SealedKey::random().unwrap());
    let values = sealed.write("creds", &data(&[("token", TOKEN), ("user", "me")])).await.unwrap();
    let SealedValues::Replace(mut values) = values else { panic!("sealed values") };
    put(&*store, "other", SealedValues::Replace(values.clone())).await;
    let [token, user] = &mut values[..] else { panic!("two values") };
    std::mem::swap(&mut token.key, &mut user.key);
    put(&*store, "creds", SealedValues::Replace(values)).await;
    for (secret, key) in [("creds", "token"), ("creds", "user"), ("other", "token")] {
        assert!(matches!(sealed.read(secret, key).await, Err(SecretFailure::Nonsense(_))), "{secret} {key}");
    }
}

#[tokio::test]
async fn an_altered_value_or_another_key_does_not_open() {
    let (store, _guard) = store().await;
    let sealed = Sealed::new(store.clone(), &SealedKey::random().unwrap());
    let values = sealed.write("creds", &data(&[("token", TOKEN)])).await.unwrap();
    put(&*store, "creds", values.clone()).await;
    let stranger = Sealed::new(store.clone(), &SealedKey::random().unwrap());
    assert!(matches!(stranger.read("creds", "token").await, Err(SecretFailure::Nonsense(_))));
    let SealedValues::Replace(mut values) = values else { panic!("sealed values") };
    values[0].ciphertext[0] ^= 1;
    put(&*store, "creds", SealedValues::Replace(values.clone())).await;
    assert!(matches!(sealed.read("creds", "token").await, Err(SecretFailure::Nonsense(_))));
    values[0].nonce.pop();
    put(&*store, "creds", SealedValues::Replace(values)).await;
    assert!(matches!(sealed.read("creds", "token").await, Err(SecretFailure::Nonsense(_))));
}

#[tokio::test]
async fn nothing_of_a_value_is_on_disk() {
    let (store, guard) = store().await;
    let sealed = Sealed::new(store.clone(), &SealedKey::random().unwrap());
    let values = sealed.write("creds", &data(&[("token", "find-me-on-disk")])).await.unwrap();
    put(&*store, "creds", values).await;
    for entry in std::fs::read_dir(guard.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(15).any(|window| window == b"find-me-on-disk"));
    }
}

#[tokio::test]
async fn a_missing_or_wrong_key_is_refused_once_something_was_sealed() {
    let (store, guard) = store().await;
    let folder = DataDir::open(&guard.path().join("data")).unwrap();
    let key = SealedKey::unlock(&folder, &*store).await.unwrap();
    let first = std::fs::read(folder.sealed_key_path()).unwrap();
    std::fs::remove_file(folder.sealed_key_path()).unwrap();
    SealedKey::unlock(&folder, &*store).await.expect("nothing was sealed yet");

    folder.withdraw().unwrap();
    let sealed = Sealed::new(store.clone(), &key);
    put(&*store, "creds", sealed.write("creds", &data(&[("token", TOKEN)])).await.unwrap()).await;
    let second = std::fs::read(folder.sealed_key_path()).unwrap();
    std::fs::write(folder.sealed_key_path(), &first).unwrap();
    let error = SealedKey::unlock(&folder, &*store).await.unwrap_err();
    assert!(matches!(error, KeyError::Wrong { .. }), "{error}");
    std::fs::remove_file(folder.sealed_key_path()).unwrap();
    let error = SealedKey::unlock(&folder, &*store).await.unwrap_err();
    assert!(matches!(error, KeyError::Missing { .. }), "{error}");
    assert!(!folder.sealed_key_path().exists(), "no new key takes its place");
    std::fs::write(folder.sealed_key_path(), &second).unwrap();
    std::fs::set_permissions(folder.sealed_key_path(), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    SealedKey::unlock(&folder, &*store).await.unwrap();
}
