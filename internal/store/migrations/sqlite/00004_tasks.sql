-- Secrets sign the links that people get. A delivery at rest that waits for a person is a task.

-- +goose Up
CREATE TABLE secrets (
	name  TEXT PRIMARY KEY NOT NULL,
	value BLOB NOT NULL
);
CREATE INDEX deliveries_tasks ON deliveries (announcement) WHERE recipient = '' AND rest IN ('failed', 'person', 'cannot');
