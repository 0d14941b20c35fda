-- A thread is told in parts, each with a frozen message of its own.

-- +goose Up
ALTER TABLE payloads ADD COLUMN part BIGINT NOT NULL DEFAULT 0;
ALTER TABLE payloads ALTER COLUMN part DROP DEFAULT;
ALTER TABLE payloads DROP CONSTRAINT payloads_pkey;
ALTER TABLE payloads ADD PRIMARY KEY (announcement, rev, account, language, part);
