-- Instances in containers: what may run on while mcpd or its engine is away, and where it listens.

ALTER TABLE instances ADD COLUMN sight TEXT; -- JSON, while RUNNING; nothing stands for `seen`
ALTER TABLE instances ADD COLUMN left_running BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE instances ADD COLUMN port BIGINT;
