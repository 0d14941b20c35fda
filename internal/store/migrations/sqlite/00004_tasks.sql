-- Secrets sign the links that people get. A delivery at rest that waits for a person is a task. A post is one delivery's.

-- +goose Up
CREATE TABLE secrets (
	name  TEXT PRIMARY KEY NOT NULL,
	value BLOB NOT NULL
);
CREATE INDEX deliveries_tasks ON deliveries (announcement) WHERE recipient = '' AND rest IN ('failed', 'person', 'cannot');
CREATE INDEX deliveries_posts ON deliveries (account, receipt_id) WHERE recipient = '' AND receipt_id <> '';
