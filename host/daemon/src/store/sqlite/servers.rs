//! Rows of servers.

use jiff::Timestamp;
use mcpd_core::name::ServerName;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::columns::{micros, time};
use super::{Fault, ServerRow, StoreError, events};
use crate::store::{Expected, Object, ServerDraft};

pub(super) async fn list(readers: &SqlitePool) -> Result<Vec<ServerRow>, Fault> {
    let rows = sqlx::query("SELECT * FROM servers ORDER BY name").fetch_all(readers).await?;
    rows.iter().map(decode).collect()
}

pub(super) async fn find(readers: &SqlitePool, name: &ServerName) -> Result<Option<ServerRow>, Fault> {
    let query = sqlx::query("SELECT * FROM servers WHERE name = $1").bind(name.as_str());
    query.fetch_optional(readers).await?.as_ref().map(decode).transpose()
}

pub(super) async fn put(
    tx: &mut SqliteConnection,
    draft: &ServerDraft,
    expected: Expected,
    now: Timestamp,
) -> Result<i64, Fault> {
    let object = Object::Server(draft.name.to_string());
    let found = find_state(tx, &draft.name).await?;
    if found.is_some_and(|(_, deleting)| deleting) {
        return Err(StoreError::Deleting(object).into());
    }
    expected.check_put(object, found.map(|(version, _)| version))?;
    let sql = "INSERT INTO servers
                   (name, manifest, version, deleting, restart_nonce, applied, created_at, updated_at)
               VALUES ($1, $2, 1, FALSE, 0, $3, $4, $4)
               ON CONFLICT (name) DO UPDATE SET
                   manifest = excluded.manifest, version = servers.version + 1,
                   applied = servers.applied OR excluded.applied, updated_at = excluded.updated_at
               RETURNING version";
    let query = sqlx::query_scalar(sql).bind(draft.name.as_str()).bind(&draft.manifest);
    Ok(query.bind(draft.applied).bind(micros(now)).fetch_one(tx).await?)
}

pub(super) async fn mark_deleting(
    tx: &mut SqliteConnection,
    name: &ServerName,
    expected: Expected,
    now: Timestamp,
) -> Result<i64, Fault> {
    let found = find_state(tx, name).await?;
    expected.check_delete(Object::Server(name.to_string()), found.map(|(version, _)| version))?;
    let sql = "UPDATE servers SET deleting = TRUE, updated_at = $2 WHERE name = $1 RETURNING version";
    Ok(sqlx::query_scalar(sql).bind(name.as_str()).bind(micros(now)).fetch_one(tx).await?)
}

pub(super) async fn restart(
    tx: &mut SqliteConnection,
    name: &ServerName,
    now: Timestamp,
) -> Result<i64, Fault> {
    let object = Object::Server(name.to_string());
    match find_state(tx, name).await? {
        None => return Err(StoreError::NotFound(object).into()),
        Some((_, true)) => return Err(StoreError::Deleting(object).into()),
        Some((_, false)) => {}
    }
    let sql = "UPDATE servers SET restart_nonce = restart_nonce + 1, updated_at = $2
               WHERE name = $1 RETURNING version";
    Ok(sqlx::query_scalar(sql).bind(name.as_str()).bind(micros(now)).fetch_one(tx).await?)
}

pub(super) async fn forget(tx: &mut SqliteConnection, name: &ServerName) -> Result<(), Fault> {
    match find_state(tx, name).await? {
        None => return Ok(()),
        Some((_, false)) => return Err(StoreError::NotDeleting(Object::Server(name.to_string())).into()),
        Some((_, true)) => {}
    }
    for sql in ["DELETE FROM instances WHERE server = $1", "DELETE FROM servers WHERE name = $1"] {
        sqlx::query(sql).bind(name.as_str()).execute(&mut *tx).await?;
    }
    events::prune_gone_servers(tx).await
}

/// Version, and whether it is being deleted.
async fn find_state(tx: &mut SqliteConnection, name: &ServerName) -> Result<Option<(i64, bool)>, Fault> {
    let query = sqlx::query_as("SELECT version, deleting FROM servers WHERE name = $1").bind(name.as_str());
    Ok(query.fetch_optional(tx).await?)
}

fn decode(row: &SqliteRow) -> Result<ServerRow, Fault> {
    Ok(ServerRow {
        name: ServerName::new(row.try_get::<&str, _>("name")?),
        manifest: row.try_get("manifest")?,
        version: row.try_get("version")?,
        deleting: row.try_get("deleting")?,
        restart_nonce: row.try_get("restart_nonce")?,
        applied: row.try_get("applied")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
