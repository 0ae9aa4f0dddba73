//! Rows of events: the logs of instances, and what is said of servers as a whole.

use jiff::Timestamp;
use mcpd_core::event::{EVENTS_MAX, Event, EventDraft};
use mcpd_core::instance::Instance;
use mcpd_core::name::{InstanceId, ServerName};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::columns::{count, micros, time, word};
use super::{EventRow, Fault};
use crate::store::{EVENTS_OF_GONE_SERVERS_MAX, EVENTS_PER_SERVER_MAX};

/// The newest row of one log.
struct Newest {
    id: i64,
    event: Event,
    /// How many rows the log has.
    rows: usize,
}

/// Brings the rows of an instance up to date with its log: raises the newest, adds what came after it. Progress
/// is always the last, and is replaced by what comes after it.
pub(super) async fn put_log(tx: &mut SqliteConnection, instance: &Instance) -> Result<(), Fault> {
    let log: Vec<&Event> = instance.events.iter().collect();
    let mut newest = find_newest(tx, &instance.server, Some(&instance.id)).await?;
    if let Some(progress) = newest.take_if(|newest| newest.event.is_progress()) {
        if let Some(last) = log.last().filter(|last| is_same_progress(last, &progress.event)) {
            return tell(tx, &progress, last).await;
        }
        remove(tx, &progress).await?;
        newest = find_newest(tx, &instance.server, Some(&instance.id)).await?;
    }
    let mut known = 0;
    if let Some(newest) = &newest
        && let Some(position) = position_in(&log, newest)
    {
        known = position + 1;
        raise(tx, newest, log[position]).await?;
    }
    for event in &log[known..] {
        insert(tx, &instance.server, Some(&instance.id), event).await?;
    }
    if known < log.len() { prune_instance(tx, &instance.id).await } else { Ok(()) }
}

pub(super) async fn append_to_server(
    tx: &mut SqliteConnection,
    server: &ServerName,
    draft: &EventDraft,
    now: Timestamp,
) -> Result<(), Fault> {
    let newest = find_newest(tx, server, None).await?;
    if let Some(newest) = newest.filter(|newest| repeats(draft, &newest.event)) {
        let count = newest.event.count.saturating_add(1);
        let raised = Event { count, last_timestamp: now, ..newest.event.clone() };
        return raise(tx, &newest, &raised).await;
    }
    let event = Event {
        event_type: draft.event_type,
        reason: draft.reason.to_owned(),
        message: draft.message.clone(),
        count: 1,
        timestamp: now,
        last_timestamp: now,
    };
    insert(tx, server, None, &event).await?;
    prune_server(tx, server).await?;
    prune_gone_servers(tx).await
}

pub(super) async fn list(
    readers: &SqlitePool,
    server: Option<&ServerName>,
    limit: usize,
) -> Result<Vec<EventRow>, Fault> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let query = match server {
        Some(name) => {
            sqlx::query("SELECT * FROM events WHERE server = $1 ORDER BY last_at DESC, id DESC LIMIT $2")
                .bind(name.as_str())
                .bind(limit)
        }
        None => sqlx::query("SELECT * FROM events ORDER BY last_at DESC, id DESC LIMIT $1").bind(limit),
    };
    query.fetch_all(readers).await?.iter().rev().map(decode).collect()
}

/// The logs of all instances, oldest first within each.
pub(super) async fn list_logs(tx: &mut SqliteConnection) -> Result<Vec<EventRow>, Fault> {
    let sql =
        "SELECT events.* FROM events JOIN instances ON instances.id = events.instance ORDER BY events.id";
    sqlx::query(sql).fetch_all(tx).await?.iter().map(decode).collect()
}

/// Keeps what is said of a server beside the logs of its living instances within its bound.
pub(super) async fn prune_server(tx: &mut SqliteConnection, server: &ServerName) -> Result<(), Fault> {
    let sql = "DELETE FROM events WHERE id IN (
                   SELECT id FROM events WHERE server = $1 AND (instance IS NULL OR instance NOT IN
                       (SELECT id FROM instances WHERE server = $1))
                   ORDER BY id DESC LIMIT $2 OFFSET $3)";
    let query = sqlx::query(sql).bind(server.as_str()).bind(i64::MAX).bind(bound(EVENTS_PER_SERVER_MAX));
    query.execute(tx).await?;
    Ok(())
}

/// Keeps the events of all servers that are gone within their bound.
pub(super) async fn prune_gone_servers(tx: &mut SqliteConnection) -> Result<(), Fault> {
    let sql = "DELETE FROM events WHERE id IN (
                   SELECT id FROM events WHERE server NOT IN (SELECT name FROM servers)
                   ORDER BY id DESC LIMIT $1 OFFSET $2)";
    sqlx::query(sql).bind(i64::MAX).bind(bound(EVENTS_OF_GONE_SERVERS_MAX)).execute(tx).await?;
    Ok(())
}

async fn prune_instance(tx: &mut SqliteConnection, id: &InstanceId) -> Result<(), Fault> {
    let sql = "DELETE FROM events WHERE instance = $1 AND id <=
                   (SELECT id FROM events WHERE instance = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)";
    sqlx::query(sql).bind(id.as_str()).bind(bound(EVENTS_MAX)).execute(tx).await?;
    Ok(())
}

/// Where the newest row stands in the log. A log that is not full has lost nothing, so the number of rows
/// says it; in a full one it is the last event that began as the newest row did.
fn position_in(log: &[&Event], newest: &Newest) -> Option<usize> {
    let by_number = newest.rows.checked_sub(1).filter(|_| log.len() < EVENTS_MAX);
    by_number
        .filter(|&position| log.get(position).is_some_and(|event| is_same(event, &newest.event)))
        .or_else(|| log.iter().rposition(|event| is_same(event, &newest.event)))
}

fn is_same(left: &Event, right: &Event) -> bool {
    let identity = |event: &Event| (event.event_type, micros(event.timestamp));
    identity(left) == identity(right) && left.reason == right.reason && left.message == right.message
}

/// Progress is told anew in place, and is known by when it began.
fn is_same_progress(left: &Event, right: &Event) -> bool {
    left.is_progress() && left.reason == right.reason && micros(left.timestamp) == micros(right.timestamp)
}

fn repeats(draft: &EventDraft, event: &Event) -> bool {
    draft.event_type == event.event_type && draft.reason == event.reason && draft.message == event.message
}

async fn find_newest(
    tx: &mut SqliteConnection,
    server: &ServerName,
    instance: Option<&InstanceId>,
) -> Result<Option<Newest>, Fault> {
    let query = match instance {
        Some(id) => sqlx::query(
            "SELECT *, (SELECT COUNT(*) FROM events WHERE instance = $1) AS log_rows
             FROM events WHERE instance = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(id.as_str()),
        None => sqlx::query(
            "SELECT *, 1 AS log_rows
             FROM events WHERE instance IS NULL AND server = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(server.as_str()),
    };
    let Some(row) = query.fetch_optional(tx).await? else { return Ok(None) };
    let rows = usize::try_from(row.try_get::<i64, _>("log_rows")?).unwrap_or(0);
    Ok(Some(Newest { id: row.try_get("id")?, event: decode(&row)?.event, rows }))
}

async fn raise(tx: &mut SqliteConnection, newest: &Newest, event: &Event) -> Result<(), Fault> {
    if event.count == newest.event.count {
        return Ok(());
    }
    let sql = "UPDATE events SET count = $2, last_at = $3 WHERE id = $1";
    let query = sqlx::query(sql).bind(newest.id).bind(i64::from(event.count));
    query.bind(micros(event.last_timestamp)).execute(tx).await?;
    Ok(())
}

async fn tell(tx: &mut SqliteConnection, newest: &Newest, event: &Event) -> Result<(), Fault> {
    let sql = "UPDATE events SET message = $2, last_at = $3 WHERE id = $1";
    let query = sqlx::query(sql).bind(newest.id).bind(&event.message).bind(micros(event.last_timestamp));
    query.execute(tx).await?;
    Ok(())
}

async fn remove(tx: &mut SqliteConnection, newest: &Newest) -> Result<(), Fault> {
    sqlx::query("DELETE FROM events WHERE id = $1").bind(newest.id).execute(tx).await?;
    Ok(())
}

async fn insert(
    tx: &mut SqliteConnection,
    server: &ServerName,
    instance: Option<&InstanceId>,
    event: &Event,
) -> Result<(), Fault> {
    let sql = "INSERT INTO events (server, instance, event_type, reason, message, count, first_at, last_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let query = sqlx::query(sql).bind(server.as_str()).bind(instance.map(InstanceId::as_str));
    let query = query.bind(event.event_type.as_str()).bind(&event.reason).bind(&event.message);
    let query = query.bind(i64::from(event.count)).bind(micros(event.timestamp));
    query.bind(micros(event.last_timestamp)).execute(tx).await?;
    Ok(())
}

fn decode(row: &SqliteRow) -> Result<EventRow, Fault> {
    let event = Event {
        event_type: word("event_type", row.try_get("event_type")?)?,
        reason: row.try_get("reason")?,
        message: row.try_get("message")?,
        count: count(row, "count")?,
        timestamp: time(row, "first_at")?,
        last_timestamp: time(row, "last_at")?,
    };
    let instance: Option<&str> = row.try_get("instance")?;
    Ok(EventRow {
        server: ServerName::new(row.try_get::<&str, _>("server")?),
        instance: instance.map(InstanceId::new),
        event,
    })
}

fn bound(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
