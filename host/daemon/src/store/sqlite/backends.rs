//! Rows of secret backends.

use jiff::Timestamp;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::columns::{micros, time};
use super::{BackendRow, Fault, StoreError};
use crate::store::{BackendDraft, Expected, Object};

pub(super) async fn list(readers: &SqlitePool) -> Result<Vec<BackendRow>, Fault> {
    let rows = sqlx::query("SELECT * FROM secret_backends ORDER BY name").fetch_all(readers).await?;
    rows.iter().map(decode).collect()
}

pub(super) async fn find(readers: &SqlitePool, name: &str) -> Result<Option<BackendRow>, Fault> {
    let query = sqlx::query("SELECT * FROM secret_backends WHERE name = $1").bind(name);
    query.fetch_optional(readers).await?.as_ref().map(decode).transpose()
}

pub(super) async fn put(
    tx: &mut SqliteConnection,
    draft: &BackendDraft,
    expected: Expected,
    now: Timestamp,
) -> Result<i64, Fault> {
    let found = find_version(tx, &draft.name).await?;
    expected.check_put(Object::Backend(draft.name.clone()), found)?;
    if draft.is_default {
        sqlx::query("UPDATE secret_backends SET is_default = FALSE").execute(&mut *tx).await?;
    }
    let sql = "INSERT INTO secret_backends
                   (name, backend_type, config, is_default, version, applied, created_at, updated_at)
               VALUES ($1, $2, $3, $4, 1, $5, $6, $6)
               ON CONFLICT (name) DO UPDATE SET
                   backend_type = excluded.backend_type, config = excluded.config,
                   is_default = excluded.is_default, version = secret_backends.version + 1,
                   applied = secret_backends.applied OR excluded.applied, updated_at = excluded.updated_at
               RETURNING version";
    let query = sqlx::query_scalar(sql).bind(&draft.name).bind(&draft.backend_type).bind(&draft.config);
    Ok(query.bind(draft.is_default).bind(draft.applied).bind(micros(now)).fetch_one(tx).await?)
}

pub(super) async fn delete(tx: &mut SqliteConnection, name: &str, expected: Expected) -> Result<i64, Fault> {
    let object = Object::Backend(name.to_owned());
    let found = find_version(tx, name).await?;
    expected.check_delete(object.clone(), found)?;
    let user: Option<String> =
        sqlx::query_scalar("SELECT name FROM secrets WHERE backend = $1 ORDER BY name LIMIT 1")
            .bind(name)
            .fetch_optional(&mut *tx)
            .await?;
    if let Some(user) = user {
        return Err(StoreError::InUse { object, by: Object::Secret(user) }.into());
    }
    sqlx::query("DELETE FROM secret_backends WHERE name = $1").bind(name).execute(tx).await?;
    Ok(0)
}

async fn find_version(tx: &mut SqliteConnection, name: &str) -> Result<Option<i64>, Fault> {
    let query = sqlx::query_scalar("SELECT version FROM secret_backends WHERE name = $1").bind(name);
    Ok(query.fetch_optional(tx).await?)
}

fn decode(row: &SqliteRow) -> Result<BackendRow, Fault> {
    Ok(BackendRow {
        name: row.try_get("name")?,
        backend_type: row.try_get("backend_type")?,
        config: row.try_get("config")?,
        is_default: row.try_get("is_default")?,
        version: row.try_get("version")?,
        applied: row.try_get("applied")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
