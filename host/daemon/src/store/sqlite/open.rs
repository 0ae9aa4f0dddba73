//! Opening the database: look first, touch after.
//!
//! What is there is read through a read-only connection before anything is written, so that a database of
//! a newer mcpd, of another program, or one that is damaged is refused and left as it was.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _};
use thiserror::Error;

use super::SqliteStore;
use crate::store::STORE_DEADLINE;

/// Readers beside the one writer; as many long lists as are ever asked for at once by people.
const READERS_MAX: u32 = 4;

/// How long SQLite waits for a lock that another program holds (a backup, say); shorter than the deadline
/// of the call, so that it is SQLite that says what is wrong.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);

/// Why the database can't be used. None of these changes it, but the last.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file can't be created or opened.
    #[error("cannot open the database {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: io::Error,
    },
    /// A newer mcpd wrote it.
    #[error(
        "the database {path} was written by a newer mcpd (its schema is {found}, this mcpd knows {known}); \
         it was left as it is: run the newer mcpd, or use another data folder"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The newest migration that was applied to it.
        found: i64,
        /// The newest migration that this program knows.
        known: i64,
    },
    /// Another program wrote it.
    #[error("the database {path} belongs to another program; it was left as it is")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged, or no SQLite database at all.
    #[error(
        "the database {path} is damaged or no SQLite database ({detail}); it was left as it is: restore it \
         from a backup, or move it away to start anew"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        detail: String,
    },
    /// It could not be brought up to date.
    #[error("cannot bring the database {path} up to date")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
}

impl SqliteStore {
    /// Opens the database, creates it where there is none (mode 0600), and brings it up to date.
    pub async fn open(path: &Path) -> Result<Self, OpenError> {
        create_private(path).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        inspect(path).await?;
        let store = Self { writer: pool(path, 1), readers: pool(path, READERS_MAX) };
        let migrated = migrator().run(&store.writer).await;
        migrated.map_err(|source| OpenError::Migrate { path: path.to_owned(), source })?;
        Ok(store)
    }
}

/// Released migrations are never edited: SQLite would refuse to go on, by their checksums.
fn migrator() -> Migrator {
    let step = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(vec![
        step(1, "first", include_str!("../migrations/0001_first.sql")),
        step(2, "containers", include_str!("../migrations/0002_containers.sql")),
    ])
}

/// SQLite gives its companion files the mode of the database itself.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.custom_flags(nix::libc::O_NOFOLLOW).open(path).map(drop)
}

async fn inspect(path: &Path) -> Result<(), OpenError> {
    let damaged =
        |error: sqlx::Error| OpenError::Damaged { path: path.to_owned(), detail: error.to_string() };
    let mut connection = options(path).read_only(true).connect().await.map_err(damaged)?;
    let integrity: String =
        sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await.map_err(damaged)?;
    if integrity != "ok" {
        return Err(OpenError::Damaged { path: path.to_owned(), detail: integrity });
    }
    let outcome = inspect_schema(&mut connection, path).await.map_err(damaged)?;
    let closed = connection.close().await.map_err(damaged);
    outcome.and(closed)
}

async fn inspect_schema(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<Result<(), OpenError>, sqlx::Error> {
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut *connection)
        .await?;
    if !tables.iter().any(|table| table == "_sqlx_migrations") {
        let path = path.to_owned();
        return Ok(if tables.is_empty() { Ok(()) } else { Err(OpenError::Foreign { path }) });
    }
    let found: Option<i64> =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations").fetch_one(connection).await?;
    let known = migrator().iter().map(|migration| migration.version).max();
    Ok(match (found, known) {
        (Some(found), Some(known)) if found > known => {
            Err(OpenError::Newer { path: path.to_owned(), found, known })
        }
        _ => Ok(()),
    })
}

fn pool(path: &Path, connections_max: u32) -> sqlx::SqlitePool {
    let options = options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(STORE_DEADLINE)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options)
}

/// Values of secrets are bound to statements, sealed; no statement is logged all the same.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).disable_statement_logging()
}
