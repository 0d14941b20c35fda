-- Times are microseconds since 1970 UTC; 0 is "none". Documents are JSON without the bytes of pictures: those are in
-- blobs, and "images" lists their hashes in order ("" where a picture has an address instead).

-- +goose Up
CREATE TABLE server (
	one        SMALLINT PRIMARY KEY CHECK (one = 1),
	stopped_at BIGINT NOT NULL DEFAULT 0,
	stopped_by TEXT    NOT NULL DEFAULT '',
	why        TEXT    NOT NULL DEFAULT '',
	probed_at  BIGINT NOT NULL DEFAULT 0
);
INSERT INTO server (one) VALUES (1);

CREATE TABLE accounts (
	account      TEXT PRIMARY KEY NOT NULL,
	paused_until BIGINT NOT NULL DEFAULT 0,
	why          TEXT    NOT NULL DEFAULT '',
	slot         BIGINT NOT NULL DEFAULT 0, -- no paced call before this
	stopped      BIGINT NOT NULL DEFAULT 0,
	fault        TEXT    NOT NULL DEFAULT ''
);

CREATE TABLE blobs (
	hash TEXT PRIMARY KEY NOT NULL,
	data BYTEA NOT NULL
);

CREATE TABLE announcements (
	id         TEXT PRIMARY KEY NOT NULL,
	rev        BIGINT NOT NULL,
	retracted  BIGINT NOT NULL DEFAULT 0,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE TABLE revisions (
	announcement TEXT    NOT NULL REFERENCES announcements (id),
	rev          BIGINT NOT NULL,
	language     TEXT    NOT NULL, -- the default one
	document     TEXT    NOT NULL,
	images       TEXT    NOT NULL,
	actor        TEXT    NOT NULL,
	at           BIGINT NOT NULL,
	PRIMARY KEY (announcement, rev)
);

CREATE TABLE payloads (
	announcement TEXT    NOT NULL,
	rev          BIGINT NOT NULL,
	account      TEXT    NOT NULL,
	language     TEXT    NOT NULL,
	part         BIGINT NOT NULL, -- its place in a thread
	message      TEXT    NOT NULL,
	images       TEXT    NOT NULL,
	PRIMARY KEY (announcement, rev, account, language, part),
	FOREIGN KEY (announcement, rev) REFERENCES revisions (announcement, rev)
);

CREATE TABLE idempotency (
	token   TEXT    NOT NULL,
	key     TEXT    NOT NULL,
	hash    TEXT    NOT NULL,
	answer  BYTEA    NOT NULL,
	status  BIGINT NOT NULL,
	expires BIGINT NOT NULL,
	PRIMARY KEY (token, key)
);
CREATE INDEX idempotency_expires ON idempotency (expires);

CREATE TABLE plans (
	announcement TEXT    NOT NULL REFERENCES announcements (id),
	account      TEXT    NOT NULL,
	rev          BIGINT NOT NULL,
	first_due    BIGINT NOT NULL,
	next         BIGINT NOT NULL,
	wanted       BIGINT NOT NULL DEFAULT 1,
	done         BIGINT NOT NULL DEFAULT 0, -- every subscriber up to last_id has a row
	started      BIGINT NOT NULL DEFAULT 0, -- last_id is set
	position     BIGINT NOT NULL DEFAULT 0, -- subscribers up to this one have a row
	last_id      BIGINT NOT NULL DEFAULT 0,
	planned      BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (announcement, account)
);
CREATE INDEX plans_account ON plans (account);
CREATE INDEX plans_due ON plans (next) WHERE wanted = 1 AND done = 0;

-- todo, state and due follow announce.Delivery; a test compares every combination.
CREATE TABLE deliveries (
	id           TEXT PRIMARY KEY NOT NULL,
	announcement TEXT    NOT NULL REFERENCES announcements (id),
	account      TEXT    NOT NULL,
	recipient    TEXT    NOT NULL,
	subscriber   BIGINT, -- of addresses
	language     TEXT    NOT NULL,
	part         BIGINT NOT NULL,
	wanted       BIGINT NOT NULL,
	rev          BIGINT NOT NULL,
	shown        BIGINT NOT NULL,
	receipt_id   TEXT    NOT NULL,
	receipt_url  TEXT    NOT NULL,
	receipt_at   BIGINT NOT NULL,
	calling      TEXT    NOT NULL,
	call_rev     BIGINT NOT NULL,
	began        BIGINT NOT NULL,
	attempts     BIGINT NOT NULL,
	looks        BIGINT NOT NULL,
	repeats      BIGINT NOT NULL,
	first_due    BIGINT NOT NULL,
	next         BIGINT NOT NULL,
	rest         TEXT    NOT NULL,
	fault        TEXT    NOT NULL,
	fence        BIGINT NOT NULL DEFAULT 0,
	lease_until  BIGINT NOT NULL DEFAULT 0,
	owner        TEXT    NOT NULL DEFAULT '',
	todo TEXT NOT NULL GENERATED ALWAYS AS (CASE
		WHEN rest <> ''               THEN ''
		WHEN calling <> ''            THEN 'settle'
		WHEN wanted = 1 AND shown = 0 THEN 'publish'
		WHEN wanted = 1 AND shown < rev THEN 'amend'
		WHEN wanted = 0 AND shown > 0 THEN 'retract'
		ELSE '' END) STORED,
	state TEXT NOT NULL GENERATED ALWAYS AS (CASE
		WHEN calling <> '' AND (rest <> '' OR fault <> '' OR looks > 0) THEN 'unknown'
		WHEN calling <> ''                              THEN 'calling'
		WHEN rest = 'failed' AND shown = 0              THEN 'failed'
		WHEN rest = 'skipped'                           THEN 'skipped'
		WHEN shown > 0 AND (wanted = 1 OR rest <> '')   THEN 'published'
		WHEN wanted = 0 AND shown = 0                   THEN 'retracted'
		ELSE 'waiting' END) STORED,
	due BIGINT GENERATED ALWAYS AS (CASE
		WHEN rest <> '' THEN NULL
		WHEN calling = '' AND wanted = 1 AND shown > 0 AND shown >= rev THEN NULL
		WHEN calling = '' AND wanted = 0 AND shown = 0 THEN NULL
		WHEN lease_until > 0 THEN lease_until
		ELSE next END) STORED
);
CREATE UNIQUE INDEX deliveries_broadcast ON deliveries (announcement, account, language, part) WHERE recipient = '';
CREATE UNIQUE INDEX deliveries_personal ON deliveries (announcement, account, subscriber, part) WHERE recipient <> '';
CREATE INDEX deliveries_state ON deliveries (announcement, account, state);
CREATE INDEX deliveries_due ON deliveries (account, announcement, due) WHERE due IS NOT NULL;
CREATE INDEX deliveries_broadcast_due ON deliveries (account, due) WHERE due IS NOT NULL AND recipient = '';
CREATE INDEX deliveries_tasks ON deliveries (announcement) WHERE recipient = '' AND rest IN ('failed', 'person', 'cannot');
CREATE INDEX deliveries_posts ON deliveries (account, receipt_id) WHERE recipient = '' AND receipt_id <> '';

-- What posts cost, in micro-dollars, by account and calendar month (UTC).
CREATE TABLE spending (
	account TEXT NOT NULL,
	month   TEXT NOT NULL, -- 2027-03
	spent   BIGINT NOT NULL,
	PRIMARY KEY (account, month)
);

-- Secrets sign the links that people get.
CREATE TABLE secrets (
	name  TEXT PRIMARY KEY NOT NULL,
	value BYTEA NOT NULL
);

CREATE TABLE tokens (
	id         TEXT PRIMARY KEY NOT NULL,
	name       TEXT    NOT NULL,
	hash       TEXT    NOT NULL UNIQUE, -- SHA-256 of the secret
	scopes     TEXT    NOT NULL,
	created_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL DEFAULT 0,
	revoked_at BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE shelf (
	item       TEXT PRIMARY KEY NOT NULL,
	message    TEXT    NOT NULL,
	images     TEXT    NOT NULL,
	first_at   BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	removed_at BIGINT NOT NULL DEFAULT 0,
	sequence   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX shelf_updated ON shelf (updated_at, sequence);

CREATE TABLE events (
	seq          BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	at           BIGINT NOT NULL,
	actor        TEXT    NOT NULL,
	what         TEXT    NOT NULL,
	announcement TEXT    NOT NULL,
	delivery     TEXT    NOT NULL,
	account      TEXT    NOT NULL,
	state        TEXT    NOT NULL,
	detail       TEXT    NOT NULL
);
-- +goose StatementBegin
CREATE FUNCTION events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the audit log is append-only';
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_keep BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_refuse();
CREATE TRIGGER events_stay BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION events_refuse();
