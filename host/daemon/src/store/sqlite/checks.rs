//! Rows of checks: the last few of each living instance.

use std::collections::BTreeSet;

use mcpd_core::check::CheckRecord;
use mcpd_core::name::InstanceId;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use super::Fault;
use super::columns::{json, micros, parse};
use crate::store::CHECKS_MAX;

pub(super) async fn append(
    tx: &mut SqliteConnection,
    checks: &[(InstanceId, CheckRecord)],
) -> Result<(), Fault> {
    // A check may end after its instance was deleted: its record is dropped.
    let sql = "INSERT INTO checks (instance, at, record) SELECT id, $2, $3 FROM instances WHERE id = $1";
    for (instance, record) in checks {
        let query = sqlx::query(sql).bind(instance.as_str()).bind(micros(record.at));
        query.bind(json("record", record)?).execute(&mut *tx).await?;
    }
    for instance in checks.iter().map(|(instance, _)| instance).collect::<BTreeSet<_>>() {
        prune(tx, instance).await?;
    }
    Ok(())
}

pub(super) async fn list(readers: &SqlitePool, instance: &InstanceId) -> Result<Vec<CheckRecord>, Fault> {
    let sql = "SELECT record FROM checks WHERE instance = $1 ORDER BY id DESC LIMIT $2";
    let records: Vec<String> =
        sqlx::query_scalar(sql).bind(instance.as_str()).bind(kept()).fetch_all(readers).await?;
    records.iter().map(|record| parse("record", record)).collect()
}

async fn prune(tx: &mut SqliteConnection, instance: &InstanceId) -> Result<(), Fault> {
    let sql = "DELETE FROM checks WHERE instance = $1 AND id <=
                   (SELECT id FROM checks WHERE instance = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
    sqlx::query(sql).bind(instance.as_str()).bind(kept()).execute(tx).await?;
    Ok(())
}

fn kept() -> i64 {
    i64::try_from(CHECKS_MAX).unwrap_or(i64::MAX)
}
