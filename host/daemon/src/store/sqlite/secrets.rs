//! Rows of secrets, and the values that are sealed for them.

use jiff::Timestamp;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::columns::{json, micros, parsed, time};
use super::{Fault, SealedValue, SecretRow};
use crate::store::{Expected, Object, SealedValues, SecretDraft};

pub(super) async fn list(readers: &SqlitePool) -> Result<Vec<SecretRow>, Fault> {
    let rows = sqlx::query("SELECT * FROM secrets ORDER BY name").fetch_all(readers).await?;
    rows.iter().map(decode).collect()
}

pub(super) async fn find(readers: &SqlitePool, name: &str) -> Result<Option<SecretRow>, Fault> {
    let query = sqlx::query("SELECT * FROM secrets WHERE name = $1").bind(name);
    query.fetch_optional(readers).await?.as_ref().map(decode).transpose()
}

pub(super) async fn find_sealed(
    readers: &SqlitePool,
    secret: &str,
    key: &str,
) -> Result<Option<SealedValue>, Fault> {
    let sql = "SELECT nonce, ciphertext FROM sealed_values WHERE secret = $1 AND secret_key = $2";
    let found: Option<(Vec<u8>, Vec<u8>)> =
        sqlx::query_as(sql).bind(secret).bind(key).fetch_optional(readers).await?;
    Ok(found.map(|(nonce, ciphertext)| SealedValue { key: key.to_owned(), nonce, ciphertext }))
}

pub(super) async fn sealed_keys(readers: &SqlitePool, secret: &str) -> Result<Vec<String>, Fault> {
    let sql = "SELECT secret_key FROM sealed_values WHERE secret = $1 ORDER BY secret_key";
    Ok(sqlx::query_scalar(sql).bind(secret).fetch_all(readers).await?)
}

pub(super) async fn has_sealed(readers: &SqlitePool) -> Result<bool, Fault> {
    let one: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM sealed_values LIMIT 1").fetch_optional(readers).await?;
    Ok(one.is_some())
}

pub(super) async fn put(
    tx: &mut SqliteConnection,
    draft: &SecretDraft,
    expected: Expected,
    now: Timestamp,
) -> Result<i64, Fault> {
    let found = find_version(tx, &draft.name).await?;
    expected.check_put(Object::Secret(draft.name.clone()), found)?;
    let version = upsert(tx, draft, now).await?;
    if let SealedValues::Replace(values) = &draft.values {
        replace_sealed(tx, &draft.name, values).await?;
    }
    Ok(version)
}

async fn upsert(tx: &mut SqliteConnection, draft: &SecretDraft, now: Timestamp) -> Result<i64, Fault> {
    let mut keys = draft.keys.clone();
    keys.sort();
    let sql = "INSERT INTO secrets (name, backend, secret_keys, version, applied, created_at, updated_at)
               VALUES ($1, $2, $3, 1, $4, $5, $5)
               ON CONFLICT (name) DO UPDATE SET
                   backend = excluded.backend, secret_keys = excluded.secret_keys,
                   version = secrets.version + 1, applied = secrets.applied OR excluded.applied,
                   updated_at = excluded.updated_at
               RETURNING version";
    let query = sqlx::query_scalar(sql).bind(&draft.name).bind(&draft.backend).bind(json("keys", &keys)?);
    Ok(query.bind(draft.applied).bind(micros(now)).fetch_one(tx).await?)
}

async fn replace_sealed(
    tx: &mut SqliteConnection,
    secret: &str,
    values: &[SealedValue],
) -> Result<(), Fault> {
    sqlx::query("DELETE FROM sealed_values WHERE secret = $1").bind(secret).execute(&mut *tx).await?;
    let sql = "INSERT INTO sealed_values (secret, secret_key, nonce, ciphertext) VALUES ($1, $2, $3, $4)";
    for value in values {
        let query = sqlx::query(sql).bind(secret).bind(&value.key).bind(&value.nonce);
        query.bind(&value.ciphertext).execute(&mut *tx).await?;
    }
    Ok(())
}

pub(super) async fn delete(tx: &mut SqliteConnection, name: &str, expected: Expected) -> Result<i64, Fault> {
    let found = find_version(tx, name).await?;
    expected.check_delete(Object::Secret(name.to_owned()), found)?;
    // The sealed values go with it, by the foreign key.
    sqlx::query("DELETE FROM secrets WHERE name = $1").bind(name).execute(tx).await?;
    Ok(0)
}

async fn find_version(tx: &mut SqliteConnection, name: &str) -> Result<Option<i64>, Fault> {
    let query = sqlx::query_scalar("SELECT version FROM secrets WHERE name = $1").bind(name);
    Ok(query.fetch_optional(tx).await?)
}

fn decode(row: &SqliteRow) -> Result<SecretRow, Fault> {
    Ok(SecretRow {
        name: row.try_get("name")?,
        backend: row.try_get("backend")?,
        keys: parsed(row, "secret_keys")?,
        version: row.try_get("version")?,
        applied: row.try_get("applied")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
    })
}
