//! Changes of desired state, any number of them in one transaction.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{Change, Fault, backends, secrets, servers};

/// What a write is doing, for its errors.
pub(super) fn doing(changes: &[Change]) -> String {
    match changes {
        [change] => format!("writing {}", change.object()),
        _ => format!("writing {} objects", changes.len()),
    }
}

/// Makes the changes in the order given; the caller commits.
pub(super) async fn make_all(
    tx: &mut SqliteConnection,
    changes: &[Change],
    now: Timestamp,
) -> Result<Vec<i64>, Fault> {
    let mut versions = Vec::with_capacity(changes.len());
    for change in changes {
        versions.push(make(tx, change, now).await?);
    }
    Ok(versions)
}

async fn make(tx: &mut SqliteConnection, change: &Change, now: Timestamp) -> Result<i64, Fault> {
    match change {
        Change::PutServer(draft, expected) => servers::put(tx, draft, *expected, now).await,
        Change::DeleteServer(name, expected) => servers::mark_deleting(tx, name, *expected, now).await,
        Change::RestartServer(name) => servers::restart(tx, name, now).await,
        Change::PutSecret(draft, expected) => secrets::put(tx, draft, *expected, now).await,
        Change::DeleteSecret(name, expected) => secrets::delete(tx, name, *expected).await,
        Change::PutBackend(draft, expected) => backends::put(tx, draft, *expected, now).await,
        Change::DeleteBackend(name, expected) => backends::delete(tx, name, *expected).await,
    }
}
