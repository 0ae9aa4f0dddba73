//! How values become columns and come back: times as microseconds, structures as JSON, counts as integers.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Fault;

/// A time as it stands on disk.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A structure as it stands on disk.
pub(super) fn json(what: &'static str, value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Corrupt { what, value: error.to_string() })
}

pub(super) fn time(row: &SqliteRow, column: &'static str) -> Result<Timestamp, Fault> {
    to_time(column, row.try_get(column)?)
}

pub(super) fn find_time(row: &SqliteRow, column: &'static str) -> Result<Option<Timestamp>, Fault> {
    row.try_get::<Option<i64>, _>(column)?.map(|micros| to_time(column, micros)).transpose()
}

pub(super) fn count(row: &SqliteRow, column: &'static str) -> Result<u32, Fault> {
    to_count(column, row.try_get(column)?)
}

pub(super) fn find_count(row: &SqliteRow, column: &'static str) -> Result<Option<u32>, Fault> {
    row.try_get::<Option<i64>, _>(column)?.map(|number| to_count(column, number)).transpose()
}

pub(super) fn find_port(row: &SqliteRow, column: &'static str) -> Result<Option<u16>, Fault> {
    let Some(number) = row.try_get::<Option<i64>, _>(column)? else { return Ok(None) };
    u16::try_from(number).map(Some).map_err(|_| Fault::Corrupt { what: column, value: number.to_string() })
}

pub(super) fn parsed<T: DeserializeOwned>(row: &SqliteRow, column: &'static str) -> Result<T, Fault> {
    parse(column, row.try_get(column)?)
}

/// Reads JSON. The text itself stays out of the error: it may be long, and it says nothing to a person.
pub(super) fn parse<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::Corrupt { what, value: error.to_string() })
}

/// Reads a unit variant of an enum by its name in JSON.
pub(super) fn word<T: DeserializeOwned>(what: &'static str, text: String) -> Result<T, Fault> {
    serde_json::from_value(text.clone().into()).map_err(|_| Fault::Corrupt { what, value: text })
}

fn to_time(what: &'static str, micros: i64) -> Result<Timestamp, Fault> {
    Timestamp::from_microsecond(micros).map_err(|_| Fault::Corrupt { what, value: micros.to_string() })
}

fn to_count(what: &'static str, number: i64) -> Result<u32, Fault> {
    u32::try_from(number).map_err(|_| Fault::Corrupt { what, value: number.to_string() })
}
