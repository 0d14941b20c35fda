-- People, and what they agreed to. Times are microseconds since 1970 UTC; 0 is "none".

-- +goose Up
-- One row for each address of a person on a personal channel. It is never deleted while a letter names it: erasing empties it.
CREATE TABLE addresses (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	person       INTEGER NOT NULL DEFAULT 0,   -- the address that stands for the person: whoever has several shares one; 0: this one
	channel      TEXT   NOT NULL,             -- email, telegram, ...: as announce.Channel
	mailbox      TEXT   NOT NULL,             -- what makes two addresses of a channel the same
	address      TEXT   NOT NULL,
	name         TEXT   NOT NULL,
	language     TEXT   NOT NULL,             -- '': the announcement's default
	zone         TEXT   NOT NULL DEFAULT '',  -- IANA; '': the community's
	standing     TEXT   NOT NULL,             -- pending, active, unsubscribed, bounced, complained, removed, erased
	paused_until INTEGER NOT NULL DEFAULT 0,
	frequency    TEXT   NOT NULL DEFAULT 'now', -- now, or the name of a digest
	digest       TEXT   NOT NULL DEFAULT '',  -- the digest that is to tell them next: that of frequency or, after they chose now, one last; '': none
	digested     INTEGER NOT NULL DEFAULT 0,   -- what came due up to then they were told
	digest_until INTEGER NOT NULL DEFAULT 0,   -- the last digest tells what came due up to then; 0: it is not the last
	quiet_from   INTEGER NOT NULL DEFAULT 0,   -- minutes after midnight in zone; nothing is sent from quiet_from to quiet_to; equal: any time will do
	quiet_to     INTEGER NOT NULL DEFAULT 0,
	everything   INTEGER NOT NULL DEFAULT 1,   -- every topic that is not private, beside those of subscriptions
	hard_at      INTEGER NOT NULL DEFAULT 0,   -- first hard bounce that is not yet believed
	soft         INTEGER NOT NULL DEFAULT 0,   -- soft bounces in a row
	soft_at      INTEGER NOT NULL DEFAULT 0,   -- the first of them
	replaces     INTEGER NOT NULL DEFAULT 0,   -- the address of the same person that this one stands in for once it is confirmed
	owed         TEXT   NOT NULL DEFAULT '',  -- the letter that is still to be put on record for it: confirm, welcome, preferences
	owed_at      INTEGER NOT NULL DEFAULT 0,
	created_at   INTEGER NOT NULL,
	updated_at   INTEGER NOT NULL
);
CREATE UNIQUE INDEX addresses_mailbox ON addresses (channel, mailbox);
CREATE INDEX addresses_person ON addresses (person) WHERE person > 0;
CREATE INDEX addresses_replaces ON addresses (replaces) WHERE replaces > 0;
CREATE INDEX addresses_digest ON addresses (digest, id) WHERE digest <> '';
CREATE INDEX addresses_owed ON addresses (owed_at) WHERE owed <> '';
CREATE INDEX addresses_pending ON addresses (updated_at) WHERE standing = 'pending';

-- What people can choose from. The operator's.
CREATE TABLE topics (
	name    TEXT PRIMARY KEY NOT NULL,
	facet   TEXT   NOT NULL DEFAULT '',  -- heading under which it is offered: kind, place, theme
	private INTEGER NOT NULL DEFAULT 0,   -- not offered; only whoever was added gets it
	labels  TEXT   NOT NULL,             -- JSON: language -> words
	place   INTEGER NOT NULL              -- order on pages
);

CREATE TABLE subscriptions (
	address INTEGER NOT NULL REFERENCES addresses (id),
	topic   TEXT   NOT NULL REFERENCES topics (name),
	PRIMARY KEY (address, topic)
) WITHOUT ROWID;
CREATE INDEX subscriptions_topic ON subscriptions (topic, address);

-- The words that people saw when they agreed, each once.
CREATE TABLE wordings (
	hash TEXT PRIMARY KEY NOT NULL, -- SHA-256, hexadecimal
	text TEXT NOT NULL
);

-- Proof of consent: what a person did, when, how, and the words that were shown. Append-only but for erasure.
CREATE TABLE consents (
	address  INTEGER NOT NULL REFERENCES addresses (id),
	at       INTEGER NOT NULL,
	act      TEXT   NOT NULL,            -- asked, confirmed, changed, unsubscribed, imported, added, bounced, complained, removed, erased
	how      TEXT   NOT NULL,            -- form, page, one-click, mail, import FILE, api TOKEN, telegram, ...
	basis    TEXT   NOT NULL DEFAULT '', -- express, implied; of asked, confirmed, imported, added
	wording  TEXT   NOT NULL DEFAULT '', -- of wordings
	language TEXT   NOT NULL DEFAULT '',
	network  TEXT   NOT NULL DEFAULT '', -- 203.0.113.0/24, 2001:db8::/48: never a whole address
	detail   TEXT   NOT NULL DEFAULT '',
	PRIMARY KEY (address, at, act)
) WITHOUT ROWID;

-- Who must never be written to again although nothing else of them is known: HMAC-SHA256 of channel and mailbox.
CREATE TABLE suppressions (
	hash   TEXT PRIMARY KEY NOT NULL,
	reason TEXT   NOT NULL, -- erased, bounced, complained, unsubscribed, by-hand
	at     INTEGER NOT NULL
);

-- Requests to join, for the limits against abuse: by keyed hash of an address or network.
CREATE TABLE requests (
	what TEXT   NOT NULL, -- address, network, confirmation
	who  TEXT   NOT NULL,
	at   INTEGER NOT NULL,
	PRIMARY KEY (what, who, at)
) WITHOUT ROWID;
CREATE INDEX requests_at ON requests (at);

-- Bounces and complaints that were heard, each once.
CREATE TABLE reports (
	id      TEXT PRIMARY KEY NOT NULL,
	at      INTEGER NOT NULL,
	source  TEXT   NOT NULL,
	class   TEXT   NOT NULL, -- hard, soft, block, complaint, unsubscribe
	status  TEXT   NOT NULL,
	address INTEGER NOT NULL, -- of addresses
	domain  TEXT   NOT NULL,
	detail  TEXT   NOT NULL,
	plan    INTEGER NOT NULL DEFAULT 0 -- whose letter it is about; 0: not known
);
CREATE INDEX reports_plan ON reports (plan) WHERE plan > 0;
CREATE INDEX reports_at ON reports (at);
CREATE INDEX reports_address ON reports (address);

-- How far lists were taken in that are not at their end: whoever gives one again goes on there.
CREATE TABLE imports (
	name        TEXT PRIMARY KEY NOT NULL,
	line        INTEGER NOT NULL,  -- lines that are done
	place       INTEGER NOT NULL,  -- bytes of them, in UTF-8
	told_line   INTEGER NOT NULL,  -- the same, one batch earlier: what was refused since may not have been told
	told_place  INTEGER NOT NULL,
	added       INTEGER NOT NULL,
	known       INTEGER NOT NULL,
	departed    INTEGER NOT NULL,
	kept        INTEGER NOT NULL,
	suppressed  INTEGER NOT NULL,
	refused     INTEGER NOT NULL,
	updated_at  INTEGER NOT NULL
);

-- Digests gather what was announced, for whoever does not want each announcement by itself.
CREATE TABLE digests (
	name      TEXT PRIMARY KEY NOT NULL,
	schedule  TEXT   NOT NULL,              -- cron line of five fields
	zone      TEXT   NOT NULL DEFAULT '',   -- IANA; '': the community's
	labels    TEXT   NOT NULL DEFAULT '{}', -- JSON: language -> words
	topics    TEXT   NOT NULL DEFAULT '[]', -- JSON: only what is about one of them; []: whatever it is about
	languages TEXT   NOT NULL DEFAULT '[]', -- JSON: only what is written in one of them; []: in whatever language
	accounts  TEXT   NOT NULL DEFAULT '[]', -- JSON: broadcast accounts that get a summary too
	outside   INTEGER NOT NULL DEFAULT 0,    -- only started from outside
	off       INTEGER NOT NULL DEFAULT 0,
	place     INTEGER NOT NULL,              -- order on pages
	since     INTEGER NOT NULL DEFAULT 0     -- occurrences up to then are not made; 0: it never ran
);
INSERT INTO digests (name, schedule, place) VALUES ('daily', '0 8 * * *', 1), ('weekly', '0 8 * * 1', 2), ('monthly', '0 8 1 * *', 3);

-- A run is one occurrence of a digest: whoever has its name is told what they have not heard of.
CREATE TABLE digest_runs (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	digest       TEXT   NOT NULL,
	period       TEXT   NOT NULL,            -- the occurrence's wall time in its zone
	zone         TEXT   NOT NULL,
	due          INTEGER NOT NULL,            -- it tells what came due up to then
	late         INTEGER NOT NULL,
	how          TEXT   NOT NULL,            -- who started it
	state        TEXT   NOT NULL DEFAULT 'waiting', -- waiting, running, done, skipped
	position     INTEGER NOT NULL DEFAULT 0,  -- people up to this address were looked at
	last_id      INTEGER NOT NULL DEFAULT 0,
	people       INTEGER NOT NULL DEFAULT 0,  -- so many were looked at
	letters      INTEGER NOT NULL DEFAULT 0,
	announcement TEXT   NOT NULL DEFAULT '', -- the summary on broadcast accounts
	created_at   INTEGER NOT NULL,
	ended_at     INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX digest_runs_period ON digest_runs (digest, period);
CREATE INDEX digest_runs_open ON digest_runs (due) WHERE state IN ('waiting', 'running');

-- What a revision of an edition tells of: the announcement, in which revision.
CREATE TABLE digest_items (
	announcement TEXT NOT NULL,
	plan         INTEGER NOT NULL, -- of the edition
	edition_rev  INTEGER NOT NULL,
	rev          INTEGER NOT NULL,
	PRIMARY KEY (plan, edition_rev, announcement)
) WITHOUT ROWID;
CREATE INDEX digest_items_announcement ON digest_items (announcement);
