//! Rows of instances.

use std::collections::HashMap;

use mcpd_core::event::{Event, EventLog};
use mcpd_core::instance::{Attempts, Instance};
use mcpd_core::name::{InstanceId, ServerName};
use mcpd_core::server::Revision;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, Sqlite, SqliteConnection};

use super::columns::{count, find_count, find_port, find_time, json, micros, parsed, time};
use super::phase::{self, PhaseColumns};
use super::{Fault, InstanceRow, StoreError, events};
use crate::store::Object;

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// In the order of `bind_all`.
const PUT: &str = "
    INSERT INTO instances (
        id, server, created_at, revision_launch, revision_secrets,
        status, since, link, was_ready, after_stop, stop_error, next_retry_at, error_reason, error,
        attempt_count, exits, last_attempt_at, restarts,
        secrets, health, conditions,
        handle, pid, container_id, image, sight, left_running, port)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
        $22, $23, $24, $25, $26, $27, $28)
    ON CONFLICT (id) DO UPDATE SET
        revision_launch = excluded.revision_launch, revision_secrets = excluded.revision_secrets,
        status = excluded.status, since = excluded.since, link = excluded.link,
        was_ready = excluded.was_ready, after_stop = excluded.after_stop,
        stop_error = excluded.stop_error, next_retry_at = excluded.next_retry_at,
        error_reason = excluded.error_reason, error = excluded.error,
        attempt_count = excluded.attempt_count, exits = excluded.exits,
        last_attempt_at = excluded.last_attempt_at, restarts = excluded.restarts,
        secrets = excluded.secrets, health = excluded.health, conditions = excluded.conditions,
        handle = excluded.handle, pid = excluded.pid, container_id = excluded.container_id,
        image = excluded.image, sight = excluded.sight, left_running = excluded.left_running,
        port = excluded.port";

/// Puts the row; its events are another table's.
pub(super) async fn put(tx: &mut SqliteConnection, row: &InstanceRow) -> Result<(), Fault> {
    match bind_all(sqlx::query(PUT), row)?.execute(tx).await {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            Err(StoreError::NotFound(Object::Server(row.instance.server.to_string())).into())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn list(tx: &mut SqliteConnection) -> Result<Vec<InstanceRow>, Fault> {
    let sql = "SELECT * FROM instances ORDER BY server, created_at, id";
    let rows = sqlx::query(sql).fetch_all(&mut *tx).await?;
    let mut logs: HashMap<InstanceId, Vec<Event>> = HashMap::new();
    for row in events::list_logs(tx).await? {
        if let Some(instance) = row.instance {
            logs.entry(instance).or_default().push(row.event);
        }
    }
    let mut instances = rows.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
    for row in &mut instances {
        row.instance.events = EventLog::from_events(logs.remove(&row.instance.id).unwrap_or_default());
    }
    Ok(instances)
}

pub(super) async fn delete(tx: &mut SqliteConnection, id: &InstanceId) -> Result<(), Fault> {
    // The checks go with it, by the foreign key.
    let sql = "DELETE FROM instances WHERE id = $1 RETURNING server";
    let server: Option<String> = sqlx::query_scalar(sql).bind(id.as_str()).fetch_optional(&mut *tx).await?;
    match server {
        Some(server) => events::prune_server(tx, &ServerName::new(server)).await,
        None => Ok(()),
    }
}

fn bind_all<'q>(query: Query<'q>, row: &'q InstanceRow) -> Result<Query<'q>, Fault> {
    let Instance { revision, attempts, .. } = &row.instance;
    let query = query
        .bind(row.instance.id.as_str())
        .bind(row.instance.server.as_str())
        .bind(micros(row.instance.created_at))
        .bind(&revision.launch)
        .bind(&revision.secrets)
        .bind(row.instance.status());
    let mut phase = PhaseColumns::of(&row.instance)?;
    let sight = phase.sight.take();
    let query = bind_phase(query, phase)
        .bind(i64::from(attempts.count))
        .bind(i64::from(attempts.exits))
        .bind(attempts.last_at.map(micros))
        .bind(i64::from(row.instance.restarts))
        .bind(json("secrets", &row.instance.secrets)?)
        .bind(json("health", &row.instance.health)?)
        .bind(json("conditions", &row.instance.conditions)?)
        .bind(&row.handle)
        .bind(row.pid.map(i64::from))
        .bind(&row.container_id)
        .bind(&row.image)
        .bind(sight)
        .bind(row.instance.left_running)
        .bind(row.port.map(i64::from));
    Ok(query)
}

fn bind_phase<'q>(query: Query<'q>, phase: PhaseColumns<'q>) -> Query<'q> {
    query
        .bind(phase.since.map(micros))
        .bind(phase.link)
        .bind(phase.was_ready)
        .bind(phase.after_stop)
        .bind(phase.stop_error)
        .bind(phase.next_retry_at.map(micros))
        .bind(phase.error_reason)
        .bind(phase.error)
}

fn decode(row: &SqliteRow) -> Result<InstanceRow, Fault> {
    Ok(InstanceRow {
        instance: decode_instance(row)?,
        handle: row.try_get("handle")?,
        pid: find_count(row, "pid")?,
        container_id: row.try_get("container_id")?,
        image: row.try_get("image")?,
        port: find_port(row, "port")?,
    })
}

fn decode_instance(row: &SqliteRow) -> Result<Instance, Fault> {
    let phase = phase::decode(row)?;
    Ok(Instance {
        last_error: phase::last_error(row, &phase)?,
        id: InstanceId::new(row.try_get::<&str, _>("id")?),
        server: ServerName::new(row.try_get::<&str, _>("server")?),
        created_at: time(row, "created_at")?,
        revision: Revision {
            launch: row.try_get("revision_launch")?,
            secrets: row.try_get("revision_secrets")?,
        },
        phase,
        attempts: Attempts {
            count: count(row, "attempt_count")?,
            exits: count(row, "exits")?,
            last_at: find_time(row, "last_attempt_at")?,
        },
        left_running: row.try_get("left_running")?,
        restarts: count(row, "restarts")?,
        secrets: parsed(row, "secrets")?,
        health: parsed(row, "health")?,
        conditions: parsed(row, "conditions")?,
        events: EventLog::default(),
    })
}
