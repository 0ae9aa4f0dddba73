-- Everything mcpd keeps. Times are microseconds since 1970-01-01T00:00:00Z.

-- What is kept about this mcpd itself.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Desired state.
CREATE TABLE servers (
    name          TEXT    NOT NULL PRIMARY KEY,
    manifest      TEXT    NOT NULL,
    version       BIGINT  NOT NULL,
    deleting      BOOLEAN NOT NULL,
    restart_nonce BIGINT  NOT NULL,
    applied       BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL,
    updated_at    BIGINT  NOT NULL
);

CREATE TABLE secrets (
    name       TEXT    NOT NULL PRIMARY KEY,
    backend    TEXT    NOT NULL,
    secret_keys TEXT   NOT NULL, -- JSON array
    version    BIGINT  NOT NULL,
    applied    BOOLEAN NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL
);

CREATE TABLE sealed_values (
    secret     TEXT NOT NULL REFERENCES secrets (name) ON DELETE CASCADE,
    secret_key TEXT NOT NULL,
    nonce      BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    PRIMARY KEY (secret, secret_key)
);

CREATE TABLE secret_backends (
    name         TEXT    NOT NULL PRIMARY KEY,
    backend_type TEXT    NOT NULL,
    config       TEXT    NOT NULL,
    is_default   BOOLEAN NOT NULL,
    version      BIGINT  NOT NULL,
    applied      BOOLEAN NOT NULL,
    created_at   BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL
);

-- Observed state. The columns from `since` to `error` belong to the status; which of them are set says
-- `sqlite/phase.rs`.
CREATE TABLE instances (
    id               TEXT    NOT NULL PRIMARY KEY,
    server           TEXT    NOT NULL REFERENCES servers (name),
    created_at       BIGINT  NOT NULL,
    revision_launch  TEXT    NOT NULL,
    revision_secrets TEXT,
    status           TEXT    NOT NULL, -- STARTING, RUNNING, STOPPING, ERROR
    since            BIGINT,
    link             TEXT,             -- JSON
    was_ready        BOOLEAN NOT NULL,
    after_stop       TEXT,             -- remove, fail
    stop_error       TEXT,
    next_retry_at    BIGINT,
    error_reason     TEXT,
    error            TEXT,
    attempt_count    BIGINT  NOT NULL,
    exits            BIGINT  NOT NULL,
    last_attempt_at  BIGINT,
    restarts         BIGINT  NOT NULL,
    secrets          TEXT    NOT NULL, -- JSON
    health           TEXT    NOT NULL, -- JSON
    conditions       TEXT    NOT NULL, -- JSON
    handle           TEXT,
    pid              BIGINT,
    container_id     TEXT,
    image            TEXT
);

CREATE INDEX instances_by_server ON instances (server);

-- No foreign keys: events outlive what they are about.
CREATE TABLE events (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    server     TEXT    NOT NULL,
    instance   TEXT,
    event_type TEXT    NOT NULL, -- Normal, Warning
    reason     TEXT    NOT NULL,
    message    TEXT    NOT NULL,
    count      BIGINT  NOT NULL,
    first_at   BIGINT  NOT NULL,
    last_at    BIGINT  NOT NULL
);

CREATE INDEX events_by_instance ON events (instance, id);
CREATE INDEX events_by_server ON events (server, last_at);
CREATE INDEX events_by_time ON events (last_at);

CREATE TABLE checks (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    instance TEXT    NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    at       BIGINT  NOT NULL,
    record   TEXT    NOT NULL -- JSON
);

CREATE INDEX checks_by_instance ON checks (instance, id);

CREATE TABLE probe_state (
    server    TEXT NOT NULL REFERENCES servers (name) ON DELETE CASCADE,
    probe     TEXT NOT NULL,
    state_key TEXT NOT NULL,
    value     BLOB NOT NULL,
    PRIMARY KEY (server, probe, state_key)
);
