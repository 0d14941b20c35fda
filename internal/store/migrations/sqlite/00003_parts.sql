-- A thread is told in parts, each with a frozen message of its own.

-- +goose Up
CREATE TABLE parts (
	announcement TEXT    NOT NULL,
	rev          INTEGER NOT NULL,
	account      TEXT    NOT NULL,
	language     TEXT    NOT NULL,
	part         INTEGER NOT NULL,
	message      TEXT    NOT NULL,
	images       TEXT    NOT NULL,
	PRIMARY KEY (announcement, rev, account, language, part),
	FOREIGN KEY (announcement, rev) REFERENCES revisions (announcement, rev)
);
INSERT INTO parts SELECT announcement, rev, account, language, 0, message, images FROM payloads;
DROP TABLE payloads;
ALTER TABLE parts RENAME TO payloads;
