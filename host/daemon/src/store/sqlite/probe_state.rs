//! Rows of what probes remember.

use mcpd_core::name::ServerName;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use super::{Fault, ProbeState};

pub(super) async fn load(
    readers: &SqlitePool,
    server: &ServerName,
    probe: &str,
) -> Result<ProbeState, Fault> {
    let sql = "SELECT state_key, value FROM probe_state WHERE server = $1 AND probe = $2";
    let pairs: Vec<(String, Vec<u8>)> =
        sqlx::query_as(sql).bind(server.as_str()).bind(probe).fetch_all(readers).await?;
    Ok(pairs.into_iter().collect())
}

pub(super) async fn replace(
    tx: &mut SqliteConnection,
    server: &ServerName,
    probe: &str,
    state: &ProbeState,
) -> Result<(), Fault> {
    let sql = "DELETE FROM probe_state WHERE server = $1 AND probe = $2";
    sqlx::query(sql).bind(server.as_str()).bind(probe).execute(&mut *tx).await?;
    // A check may end after its server was forgotten: what it wants to remember then is dropped.
    let sql = "INSERT INTO probe_state (server, probe, state_key, value)
               SELECT name, $2, $3, $4 FROM servers WHERE name = $1";
    for (key, value) in state {
        let query = sqlx::query(sql).bind(server.as_str()).bind(probe).bind(key).bind(value);
        query.execute(&mut *tx).await?;
    }
    Ok(())
}
