-- Times are microseconds since 1970 UTC; 0 is "none". Documents are JSON without the bytes of pictures: those are in
-- blobs, and "images" lists their hashes in order ("" where a picture has an address instead).

-- +goose Up
CREATE TABLE server (
	one        INTEGER PRIMARY KEY CHECK (one = 1),
	stopped_at INTEGER NOT NULL DEFAULT 0,
	stopped_by TEXT    NOT NULL DEFAULT '',
	why        TEXT    NOT NULL DEFAULT '',
	probed_at  INTEGER NOT NULL DEFAULT 0,
	seen_at    INTEGER NOT NULL DEFAULT 0 -- a server ran; 0: none ever did
);
INSERT INTO server (one) VALUES (1);

CREATE TABLE accounts (
	account      TEXT PRIMARY KEY NOT NULL,
	paused_until INTEGER NOT NULL DEFAULT 0,
	why          TEXT    NOT NULL DEFAULT '',
	slot         INTEGER NOT NULL DEFAULT 0, -- no paced call before this
	stopped      INTEGER NOT NULL DEFAULT 0,
	fault        TEXT    NOT NULL DEFAULT ''
);

-- A group of addresses that an account does not write to for a while, such as a mail domain.
CREATE TABLE pauses (
	account TEXT   NOT NULL,
	grp     TEXT   NOT NULL,
	until   INTEGER NOT NULL, -- kept for a day after
	since   INTEGER NOT NULL, -- what its addresses were refused for since then was the group's fault; 0: it only asks to go slowly
	doubted INTEGER NOT NULL, -- when that was found first
	why     TEXT   NOT NULL,
	PRIMARY KEY (account, grp)
) WITHOUT ROWID;

CREATE TABLE blobs (
	hash TEXT PRIMARY KEY NOT NULL,
	data BLOB NOT NULL
);

CREATE TABLE announcements (
	id         TEXT PRIMARY KEY NOT NULL,
	rev        INTEGER NOT NULL,
	retracted  INTEGER NOT NULL DEFAULT 0,
	listed     INTEGER NOT NULL DEFAULT 1, -- 0: nobody announced it (a notice, a letter to one person)
	publish_at INTEGER NOT NULL DEFAULT 0, -- not before; 0: as soon as it was accepted
	held_at    INTEGER NOT NULL DEFAULT 0, -- its time came while no server ran; nothing begins until a person says so
	of         TEXT    NOT NULL DEFAULT '', -- the announcement that this one follows: a change of it, a reminder; '': none
	closed     INTEGER NOT NULL DEFAULT 0, -- what is not out is not published any more: it was cancelled
	apart      INTEGER NOT NULL DEFAULT 0, -- of a wave: least microseconds between two messages about its event; 0: that does not matter
	due_at     INTEGER NOT NULL DEFAULT 0, -- when it came due first, or will
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
);

CREATE INDEX announcements_listed ON announcements (id) WHERE listed = 1;
CREATE INDEX announcements_publish ON announcements (publish_at) WHERE publish_at > 0;
CREATE INDEX announcements_held ON announcements (held_at) WHERE held_at > 0;
CREATE INDEX announcements_of ON announcements (of) WHERE of <> '';
CREATE INDEX announcements_due ON announcements (due_at) WHERE listed = 1;

-- What was found when an announcement that waits for its time was last rehearsed.
CREATE TABLE rehearsals (
	announcement TEXT PRIMARY KEY NOT NULL REFERENCES announcements (id),
	rev          INTEGER NOT NULL,
	at           INTEGER NOT NULL,
	findings     TEXT NOT NULL -- JSON; '': somebody is at it since then
);

-- The reminders of an announcement's event. One that was told and became due again is there twice.
CREATE TABLE waves (
	announcement TEXT   NOT NULL REFERENCES announcements (id),
	wave         TEXT   NOT NULL, -- -7d, -2h, +1d
	due          INTEGER NOT NULL,
	make_at      INTEGER NOT NULL, -- when its announcement is made
	child        TEXT   NOT NULL, -- its announcement; '': none yet
	state        TEXT   NOT NULL, -- planned, made, merged, past, dropped, awaited, failed
	why          TEXT   NOT NULL,
	PRIMARY KEY (announcement, wave, child)
);
CREATE INDEX waves_make ON waves (state, make_at) WHERE state IN ('planned', 'awaited', 'failed');

CREATE TABLE revisions (
	announcement TEXT    NOT NULL REFERENCES announcements (id),
	rev          INTEGER NOT NULL,
	language     TEXT    NOT NULL, -- the default one
	document     TEXT    NOT NULL,
	images       TEXT    NOT NULL,
	actor        TEXT    NOT NULL,
	at           INTEGER NOT NULL,
	of_rev       INTEGER NOT NULL DEFAULT 0, -- the revision of what it follows that it was made from; 0: it follows nothing
	PRIMARY KEY (announcement, rev)
);

CREATE TABLE payloads (
	announcement TEXT    NOT NULL,
	rev          INTEGER NOT NULL,
	account      TEXT    NOT NULL,
	language     TEXT    NOT NULL,
	part         INTEGER NOT NULL, -- its place in a thread
	since        INTEGER NOT NULL DEFAULT 0, -- of what tells a change: for whoever was told that revision last; 0: for everybody else
	message      TEXT    NOT NULL, -- JSON; '': they are told nothing
	images       TEXT    NOT NULL,
	PRIMARY KEY (announcement, rev, account, language, part, since),
	FOREIGN KEY (announcement, rev) REFERENCES revisions (announcement, rev)
);

CREATE TABLE idempotency (
	token   TEXT    NOT NULL,
	key     TEXT    NOT NULL,
	hash    TEXT    NOT NULL,
	answer  BLOB    NOT NULL,
	status  INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (token, key)
);
CREATE INDEX idempotency_expires ON idempotency (expires);

-- A plan is the intention to write to an audience over one personal account.
CREATE TABLE plans (
	id           INTEGER PRIMARY KEY NOT NULL, -- made by chance, so that letters of different servers never have the same key
	announcement TEXT   NOT NULL REFERENCES announcements (id),
	account      TEXT   NOT NULL,
	open         INTEGER NOT NULL DEFAULT 1, -- something may be left to do
	ended_at     INTEGER NOT NULL DEFAULT 0, -- when nothing was left to do; 0: it never was so
	rev          INTEGER NOT NULL,
	wanted       INTEGER NOT NULL DEFAULT 1,
	first_due    INTEGER NOT NULL,
	next         INTEGER NOT NULL,
	kind         TEXT   NOT NULL, -- of the announcement
	language     TEXT   NOT NULL, -- of whoever chose none
	zone         TEXT   NOT NULL, -- of whoever chose none
	topics       TEXT   NOT NULL, -- JSON; []: none were named
	languages    TEXT   NOT NULL, -- JSON; []: whatever the language
	only_to      INTEGER NOT NULL, -- the one address that is written to; 0: an audience
	follows      INTEGER NOT NULL DEFAULT 0, -- whoever has a letter of that plan is written to; 0: the audience is the announcement's
	follows_rev  INTEGER NOT NULL DEFAULT 0, -- only those whose letter is of an earlier revision than this
	keeps        INTEGER NOT NULL DEFAULT 0, -- a letter that was seen stays as it is: the account cannot change it
	run          INTEGER NOT NULL DEFAULT 0, -- of digest_runs, whose pages add the letters; 0: the planner does
	started      INTEGER NOT NULL DEFAULT 0, -- last_id is set
	done         INTEGER NOT NULL DEFAULT 0, -- everybody up to last_id has a letter
	position     INTEGER NOT NULL DEFAULT 0, -- whoever gets one has a letter, up to this address
	last_id      INTEGER NOT NULL DEFAULT 0,
	planned      INTEGER NOT NULL DEFAULT 0,
	leased       INTEGER NOT NULL DEFAULT 0, -- letters up to this address were leased once
	fence        INTEGER NOT NULL DEFAULT 0, -- of the last lease
	turn         TEXT   NOT NULL DEFAULT '', -- what letters are being told: revised, unwanted or skipped
	turned       INTEGER NOT NULL DEFAULT 0, -- letters up to this address were told
	turn_rest    TEXT   NOT NULL DEFAULT '', -- of what can be seen
	turn_fault   TEXT   NOT NULL DEFAULT '',
	turn_first   INTEGER NOT NULL DEFAULT 0,
	turn_next    INTEGER NOT NULL DEFAULT 0,
	turn_at      INTEGER NOT NULL DEFAULT 0,
	held_at      INTEGER NOT NULL DEFAULT 0, -- nothing begins since then, until a person says so
	held         TEXT   NOT NULL DEFAULT '', -- why: bounces, complaints
	held_bad     INTEGER NOT NULL DEFAULT 0, -- so many of them
	held_of      INTEGER NOT NULL DEFAULT 0, -- of so many
	judged_at    INTEGER NOT NULL DEFAULT 0, -- what was heard before does not count
	judged_from  INTEGER NOT NULL DEFAULT 0, -- so many answers had come by then
	canary       INTEGER NOT NULL DEFAULT 0, -- whoever comes after this address is written to from canary_until on; 0: everybody at once
	canary_until INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX plans_announcement ON plans (announcement, account);
CREATE INDEX plans_open ON plans (account, next) WHERE open = 1;
CREATE INDEX plans_run ON plans (run) WHERE run > 0;
CREATE INDEX plans_held ON plans (held_at) WHERE held_at > 0;

-- A letter is what one address gets by a plan. Who works on it: whoever leased it. What is still to be done for a letter
-- is found in one of three ways, each of which another letter cannot be found in: it lies behind plans.leased; it is
-- fresh (next <= first_due) within a lease; or it is for later (next > first_due). Whatever is done has next = first_due.
CREATE TABLE letters (
	plan        INTEGER NOT NULL,
	address     INTEGER NOT NULL,
	language    TEXT   NOT NULL,
	wanted      INTEGER NOT NULL,
	rev         INTEGER NOT NULL,
	shown       INTEGER NOT NULL DEFAULT 0,
	told        INTEGER NOT NULL DEFAULT 0, -- the revision that it arrived in, whatever it was edited to later
	since       INTEGER NOT NULL DEFAULT 0, -- of what tells a change: the revision that the person was told last; 0: not known
	calling     TEXT   NOT NULL DEFAULT '',
	call_rev    INTEGER NOT NULL DEFAULT 0,
	began       INTEGER NOT NULL DEFAULT 0,
	attempts    INTEGER NOT NULL DEFAULT 0,
	looks       INTEGER NOT NULL DEFAULT 0,
	repeats     INTEGER NOT NULL DEFAULT 0,
	cuts        INTEGER NOT NULL DEFAULT 0,
	first_due   INTEGER NOT NULL,
	next        INTEGER NOT NULL,
	rest        TEXT   NOT NULL DEFAULT '',
	fault       TEXT   NOT NULL DEFAULT '',
	receipt_id  TEXT   NOT NULL DEFAULT '',
	receipt_url TEXT   NOT NULL DEFAULT '',
	receipt_at  INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (plan, address)
) WITHOUT ROWID;
-- No index holds what the beginning or the success of a first call changes.
CREATE INDEX letters_later ON letters (plan, next) WHERE next > first_due;
CREATE INDEX letters_person ON letters (plan, address) WHERE rest = 'person';

-- A lease keeps the letters from first to last for one worker: the fresh ones, or one letter that is for later.
CREATE TABLE leases (
	plan        INTEGER NOT NULL,
	later       INTEGER NOT NULL,
	first       INTEGER NOT NULL,
	last        INTEGER NOT NULL,
	fence       INTEGER NOT NULL, -- all that was leased at once has the same
	owner       TEXT   NOT NULL,
	lease_until INTEGER NOT NULL,
	PRIMARY KEY (plan, later, first)
) WITHOUT ROWID;

-- How many letters of a plan are in each state: the sum over all lanes. Who writes at once uses lanes of their own.
CREATE TABLE tallies (
	plan      INTEGER NOT NULL,
	lane      INTEGER NOT NULL,
	waiting   INTEGER NOT NULL DEFAULT 0,
	calling   INTEGER NOT NULL DEFAULT 0,
	published INTEGER NOT NULL DEFAULT 0,
	failed    INTEGER NOT NULL DEFAULT 0,
	unknown   INTEGER NOT NULL DEFAULT 0,
	retracted INTEGER NOT NULL DEFAULT 0,
	skipped   INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (plan, lane)
) WITHOUT ROWID;

-- todo, state and due follow announce.Delivery; a test compares every combination.
CREATE TABLE deliveries (
	id           TEXT PRIMARY KEY NOT NULL,
	announcement TEXT    NOT NULL REFERENCES announcements (id),
	account      TEXT    NOT NULL,
	language     TEXT    NOT NULL,
	part         INTEGER NOT NULL,
	wanted       INTEGER NOT NULL,
	rev          INTEGER NOT NULL,
	manner       TEXT    NOT NULL, -- how a post that can be seen is brought to rev: '' edited in place, anew, kept
	shown        INTEGER NOT NULL,
	receipt_id   TEXT    NOT NULL,
	receipt_url  TEXT    NOT NULL,
	receipt_at   INTEGER NOT NULL,
	posted_at    INTEGER NOT NULL,
	edits        INTEGER NOT NULL, -- since then
	calling      TEXT    NOT NULL,
	call_rev     INTEGER NOT NULL,
	began        INTEGER NOT NULL,
	attempts     INTEGER NOT NULL,
	looks        INTEGER NOT NULL,
	repeats      INTEGER NOT NULL, -- of a call whose answer was lost
	cuts         INTEGER NOT NULL, -- of a call that a death of the program cut
	first_due    INTEGER NOT NULL,
	next         INTEGER NOT NULL,
	rest         TEXT    NOT NULL,
	fault        TEXT    NOT NULL,
	follows      TEXT    NOT NULL DEFAULT '', -- the delivery whose post this one tells a change of; '': none
	follows_rev  INTEGER NOT NULL DEFAULT 0, -- it is told only where that post is of an earlier revision
	since        INTEGER NOT NULL DEFAULT 0, -- the revision that readers there were told last; 0: not known
	paid         INTEGER NOT NULL DEFAULT 0, -- micro-dollars that are booked for publishing it anew once its post is taken away
	paid_in      TEXT    NOT NULL DEFAULT '', -- the month that they are booked in
	fence        INTEGER NOT NULL DEFAULT 0,
	lease_until  INTEGER NOT NULL DEFAULT 0,
	owner        TEXT    NOT NULL DEFAULT '',
	todo TEXT NOT NULL GENERATED ALWAYS AS (CASE
		WHEN rest <> ''               THEN ''
		WHEN calling <> ''            THEN 'settle'
		WHEN wanted = 1 AND shown = 0 THEN 'publish'
		WHEN shown > 0 AND manner = 'kept' THEN ''
		WHEN wanted = 1 AND shown < rev AND manner = 'anew' OR wanted = 0 AND shown > 0 THEN 'retract'
		WHEN wanted = 1 AND shown < rev THEN 'amend'
		ELSE '' END) STORED,
	state TEXT NOT NULL GENERATED ALWAYS AS (CASE
		WHEN calling <> '' AND (rest <> '' OR fault <> '' OR looks > 0) THEN 'unknown'
		WHEN calling <> ''                              THEN 'calling'
		WHEN rest = 'failed' AND shown = 0              THEN 'failed'
		WHEN rest = 'skipped'                           THEN 'skipped'
		WHEN shown > 0 AND (wanted = 1 OR rest <> '' OR manner = 'kept') THEN 'published'
		WHEN wanted = 0 AND shown = 0                   THEN 'retracted'
		ELSE 'waiting' END) STORED,
	due INTEGER GENERATED ALWAYS AS (CASE
		WHEN todo = ''       THEN NULL
		WHEN lease_until > 0 THEN lease_until
		ELSE next END) STORED
);
CREATE UNIQUE INDEX deliveries_place ON deliveries (announcement, account, language, part);
-- The last term lets SQLite count by state from the index alone: with generated columns it looks whether an index
-- covers a query only when the index has an expression.
CREATE INDEX deliveries_state ON deliveries (announcement, account, state, (1));
CREATE INDEX deliveries_due ON deliveries (account, announcement, due) WHERE due IS NOT NULL;
CREATE INDEX deliveries_account_due ON deliveries (account, due) WHERE due IS NOT NULL;
CREATE INDEX deliveries_tasks ON deliveries (announcement) WHERE rest IN ('failed', 'person', 'cannot');
CREATE INDEX deliveries_follows ON deliveries (follows) WHERE follows <> '';
CREATE INDEX deliveries_posts ON deliveries (account, receipt_id) WHERE receipt_id <> '';

-- A change that was thought through and shown, and may be made for a while.
CREATE TABLE changes (
	id           TEXT PRIMARY KEY NOT NULL,
	announcement TEXT   NOT NULL REFERENCES announcements (id),
	rev          INTEGER NOT NULL, -- of which it is a change
	draft        TEXT   NOT NULL, -- JSON, as its author sent it
	standing     TEXT   NOT NULL, -- how the announcement stood
	steps        TEXT   NOT NULL, -- what was shown
	expires      INTEGER NOT NULL,
	made         INTEGER NOT NULL DEFAULT 0, -- the revision that it made; 0: none yet
	follow_up    TEXT   NOT NULL DEFAULT ''
);
CREATE INDEX changes_expires ON changes (expires);

-- What posts cost, in micro-dollars, by account and calendar month (UTC).
CREATE TABLE spending (
	account TEXT NOT NULL,
	month   TEXT NOT NULL, -- 2027-03
	spent   INTEGER NOT NULL,
	PRIMARY KEY (account, month)
);

-- How often the links of an announcement's mails were followed, and their pixel fetched: by everybody together.
CREATE TABLE counts (
	token        TEXT PRIMARY KEY NOT NULL, -- in the link
	announcement TEXT    NOT NULL REFERENCES announcements (id),
	target       TEXT    NOT NULL, -- where the link leads; empty: the pixel
	n            INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX counts_announcement ON counts (announcement);

-- Keys sign the links that people get. The one with the highest number signs, the others are read: those links are in mails that
-- people keep.
CREATE TABLE link_keys (
	number INTEGER PRIMARY KEY NOT NULL,
	value  BLOB    NOT NULL,
	leaked INTEGER NOT NULL DEFAULT 0, -- good only for leaving
	at     INTEGER NOT NULL
);

CREATE TABLE secrets (
	name  TEXT PRIMARY KEY NOT NULL,
	value BLOB NOT NULL
);

CREATE TABLE tokens (
	id         TEXT PRIMARY KEY NOT NULL,
	name       TEXT    NOT NULL,
	hash       TEXT    NOT NULL UNIQUE, -- SHA-256 of the secret
	scopes     TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	used_at    INTEGER NOT NULL DEFAULT 0,
	revoked_at INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE shelf (
	item       TEXT PRIMARY KEY NOT NULL,
	message    TEXT    NOT NULL,
	images     TEXT    NOT NULL,
	first_at   INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	removed_at INTEGER NOT NULL DEFAULT 0,
	sequence   INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX shelf_updated ON shelf (updated_at, sequence);

CREATE TABLE events (
	seq          INTEGER PRIMARY KEY AUTOINCREMENT,
	at           INTEGER NOT NULL,
	actor        TEXT    NOT NULL,
	what         TEXT    NOT NULL,
	announcement TEXT    NOT NULL,
	delivery     TEXT    NOT NULL,
	account      TEXT    NOT NULL,
	state        TEXT    NOT NULL,
	detail       TEXT    NOT NULL
);
CREATE INDEX events_announcement ON events (announcement, seq) WHERE announcement <> '';
-- +goose StatementBegin
CREATE TRIGGER events_keep BEFORE UPDATE ON events BEGIN
	SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_stay BEFORE DELETE ON events BEGIN
	SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd

-- How far the events were told to whoever follows them.
CREATE TABLE cursors (
	name  TEXT PRIMARY KEY NOT NULL,
	seq   INTEGER NOT NULL, -- the last event that they have
	tries INTEGER NOT NULL, -- of the next one, in vain
	next  INTEGER NOT NULL, -- nobody tells them more before then
	owner TEXT   NOT NULL  -- who said so
);
