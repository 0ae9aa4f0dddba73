//! Rows about this mcpd itself.

use sqlx::sqlite::SqlitePool;

use super::{Fault, MetaKey};

pub(super) async fn find(readers: &SqlitePool, key: MetaKey) -> Result<Option<String>, Fault> {
    let query = sqlx::query_scalar("SELECT value FROM meta WHERE name = $1").bind(name(key));
    Ok(query.fetch_optional(readers).await?)
}

pub(super) async fn put(writer: &SqlitePool, key: MetaKey, value: &str) -> Result<(), Fault> {
    let sql = "INSERT INTO meta (name, value) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sqlx::query(sql).bind(name(key)).bind(value).execute(writer).await?;
    Ok(())
}

fn name(key: MetaKey) -> &'static str {
    match key {
        MetaKey::OwnerId => "owner_id",
        MetaKey::SealedKeyCheck => "sealed_key_check",
    }
}
