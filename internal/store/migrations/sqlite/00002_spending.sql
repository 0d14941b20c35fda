-- What posts cost, in micro-dollars, by account and calendar month (UTC).

-- +goose Up
CREATE TABLE spending (
	account TEXT NOT NULL,
	month   TEXT NOT NULL, -- 2027-03
	spent   INTEGER NOT NULL,
	PRIMARY KEY (account, month)
);
