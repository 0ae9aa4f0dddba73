//! The phase of an instance as columns and back.
//!
//! ```text
//!            since  link  was_ready  after_stop  stop_error  next_retry_at  error_reason, error
//! STARTING                                                                  may be
//! RUNNING    set    set   set                    (and `sight`, where it is lost)
//! STOPPING   set                     set         may be      set            set after `fail`; the error
//!                                                                           alone after `again`
//! ERROR                                                      set            set
//! ```

use jiff::Timestamp;
use mcpd_core::instance::{AfterStop, AttemptError, Failed, Instance, Phase, Running, Sight, Stopping};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::Fault;
use super::columns::{find_time, json, parse, word};

/// The columns that say in which phase an instance is.
#[derive(Debug, Default)]
pub(super) struct PhaseColumns<'a> {
    pub(super) since: Option<Timestamp>,
    pub(super) link: Option<String>,
    pub(super) was_ready: bool,
    pub(super) sight: Option<String>,
    pub(super) after_stop: Option<&'static str>,
    pub(super) stop_error: Option<&'a str>,
    pub(super) next_retry_at: Option<Timestamp>,
    pub(super) error_reason: Option<&'static str>,
    pub(super) error: Option<&'a str>,
}

impl<'a> PhaseColumns<'a> {
    pub(super) fn of(instance: &'a Instance) -> Result<Self, Fault> {
        Ok(match &instance.phase {
            Phase::Starting => instance.last_error.as_ref().map(Self::of_error).unwrap_or_default(),
            Phase::Running(running) => Self {
                since: Some(running.since),
                link: Some(json("link", &running.link)?),
                was_ready: running.was_ready,
                sight: sight_column(&running.sight)?,
                ..Self::default()
            },
            Phase::Stopping(stopping) => Self::of_stopping(stopping),
            Phase::Failed(failed) => {
                Self { next_retry_at: Some(failed.retry_at), ..Self::of_error(&failed.error) }
            }
        })
    }

    fn of_stopping(stopping: &'a Stopping) -> Self {
        let columns = match &stopping.then {
            AfterStop::Remove => Self { after_stop: Some("remove"), ..Self::default() },
            AfterStop::Fail(error) => Self { after_stop: Some("fail"), ..Self::of_error(error) },
            AfterStop::Again(why) => Self { after_stop: Some("again"), error: Some(why), ..Self::default() },
        };
        Self {
            since: Some(stopping.since),
            stop_error: stopping.error.as_deref(),
            next_retry_at: Some(stopping.retry_at),
            ..columns
        }
    }

    fn of_error(error: &'a AttemptError) -> Self {
        Self { error_reason: Some(error.reason.as_str()), error: Some(&error.message), ..Self::default() }
    }
}

fn sight_column(sight: &Sight) -> Result<Option<String>, Fault> {
    if *sight == Sight::Seen { Ok(None) } else { json("sight", sight).map(Some) }
}

fn sight(row: &SqliteRow) -> Result<Sight, Fault> {
    let text: Option<&str> = row.try_get("sight")?;
    text.map_or(Ok(Sight::Seen), |text| parse("sight", text))
}

/// Reads the phase back.
pub(super) fn decode(row: &SqliteRow) -> Result<Phase, Fault> {
    let status: String = row.try_get("status")?;
    Ok(match status.as_str() {
        "STARTING" => Phase::Starting,
        "RUNNING" => Phase::Running(Running {
            since: set(row, "since")?,
            link: parse("link", row.try_get("link")?)?,
            was_ready: row.try_get("was_ready")?,
            sight: sight(row)?,
        }),
        "STOPPING" => Phase::Stopping(Stopping {
            since: set(row, "since")?,
            then: after_stop(row)?,
            retry_at: set(row, "next_retry_at")?,
            error: row.try_get("stop_error")?,
        }),
        "ERROR" => Phase::Failed(Failed { error: error(row)?, retry_at: set(row, "next_retry_at")? }),
        _ => return Err(Fault::Corrupt { what: "status", value: status }),
    })
}

fn after_stop(row: &SqliteRow) -> Result<AfterStop, Fault> {
    let then: String = row.try_get("after_stop")?;
    match then.as_str() {
        "remove" => Ok(AfterStop::Remove),
        "fail" => Ok(AfterStop::Fail(error(row)?)),
        "again" => Ok(AfterStop::Again(row.try_get("error")?)),
        _ => Err(Fault::Corrupt { what: "after_stop", value: then }),
    }
}

/// Why the attempt before the one under way failed.
pub(super) fn last_error(row: &SqliteRow, phase: &Phase) -> Result<Option<AttemptError>, Fault> {
    let failed_before = row.try_get::<Option<&str>, _>("error_reason")?.is_some();
    if matches!(phase, Phase::Starting) && failed_before { error(row).map(Some) } else { Ok(None) }
}

fn error(row: &SqliteRow) -> Result<AttemptError, Fault> {
    let reason = word("error_reason", row.try_get("error_reason")?)?;
    Ok(AttemptError { reason, message: row.try_get("error")? })
}

fn set(row: &SqliteRow, column: &'static str) -> Result<Timestamp, Fault> {
    find_time(row, column)?.ok_or_else(|| Fault::Corrupt { what: column, value: "nothing".to_owned() })
}
