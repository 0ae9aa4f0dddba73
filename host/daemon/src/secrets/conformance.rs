//! What every secret backend must do: one suite that each adapter passes, run by `conformance!(open)`.
//!
//! `open` is an async function that gives a [`Given`]: a backend that holds the secret `creds` with the keys
//! `token` and `blank`, and nothing else.

use mcpd_core::env::SecretFailure;
use mcpd_core::secret::SecretValue;

use super::{SecretBackend, SecretData};
use crate::store::SealedValues;

/// What the key `token` of the secret `creds` holds; `blank` holds the empty string.
pub(super) const TOKEN: &str = "t0ken välue";

/// A backend with its content.
pub(super) struct Given {
    pub(super) backend: Box<dyn SecretBackend>,
    /// Whatever keeps the content alive.
    pub(super) _guard: Option<tempfile::TempDir>,
}

/// Makes one test of each scenario.
macro_rules! conformance {
    ($open:path) => {
        $crate::secrets::conformance::conformance!($open:
            a_value_is_read_as_it_stands_there,
            what_is_missing_is_told_apart,
            keys_are_listed,
            names_never_lead_elsewhere,
            a_write_is_made_handed_back_or_refused,
            debug_shows_no_value
        );
    };
    ($open:path: $($scenario:ident),+) => {
        $(
            #[tokio::test]
            async fn $scenario() {
                let given = $open().await;
                $crate::secrets::conformance::$scenario(&*given.backend).await;
            }
        )+
    };
}
pub(super) use conformance;

pub(super) fn data(pairs: &[(&str, &str)]) -> SecretData {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), SecretValue::new((*value).to_owned()))).collect()
}

pub(super) async fn a_value_is_read_as_it_stands_there(backend: &dyn SecretBackend) {
    backend.health().await.unwrap();
    assert_eq!(backend.read("creds", "token").await.unwrap().expose(), TOKEN);
    assert_eq!(backend.read("creds", "blank").await.unwrap().expose(), "");
}

pub(super) async fn what_is_missing_is_told_apart(backend: &dyn SecretBackend) {
    assert_eq!(backend.read("creds", "other").await, Err(SecretFailure::KeyNotFound));
    assert_eq!(backend.read("gone", "token").await, Err(SecretFailure::NotFound));
    assert_eq!(backend.keys("gone").await, Err(SecretFailure::NotFound));
}

pub(super) async fn keys_are_listed(backend: &dyn SecretBackend) {
    assert_eq!(backend.keys("creds").await.unwrap(), ["blank", "token"]);
}

pub(super) async fn names_never_lead_elsewhere(backend: &dyn SecretBackend) {
    for (secret, key) in
        [("..", "creds"), ("creds", ".."), ("creds", "../creds/token"), (".", "token"), ("", "")]
    {
        assert!(backend.read(secret, key).await.is_err(), "{secret} {key}");
    }
}

pub(super) async fn a_write_is_made_handed_back_or_refused(backend: &dyn SecretBackend) {
    match backend.write("creds", &data(&[("token", "new-value")])).await {
        Ok(SealedValues::Replace(values)) if values.is_empty() => {
            assert_eq!(backend.read("creds", "token").await.unwrap().expose(), "new-value");
        }
        Ok(SealedValues::Replace(values)) => {
            assert_eq!(values.len(), 1);
            assert!(!format!("{values:?}").contains("new-value"));
        }
        Ok(SealedValues::Keep) => panic!("values of an earlier backend would come back some day"),
        Err(failure) => {
            assert!(matches!(&failure, SecretFailure::Refused(words) if words.contains("read-only")));
            assert!(matches!(backend.delete("creds").await, Err(SecretFailure::Refused(_))));
        }
    }
}

pub(super) async fn debug_shows_no_value(backend: &dyn SecretBackend) {
    let read = backend.read("creds", "token").await;
    assert!(!format!("{backend:?} {read:?}").contains("t0ken"));
}
