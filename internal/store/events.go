package store

import (
	"context"

	"github.com/crieur/crieur/internal/announce"
)

// log adds an event to the change. It is written with it or not at all.
func (t *tx) log(e Event) { t.events = append(t.events, e) }

// flush writes the counts and the events of a change, as its last step: on Postgres the lock that keeps their numbers in the order of
// commits is held no longer than that.
func (t *tx) flush(ctx context.Context) error {
	if err := t.putTallies(ctx); err != nil {
		return err
	}
	if len(t.events) == 0 {
		return nil
	}
	if err := t.advisory(ctx, lockLog, false); err != nil {
		return err
	}
	rows := make([][]any, len(t.events))
	for i, e := range t.events {
		if e.At.IsZero() {
			e.At = t.now
		}
		rows[i] = []any{us(e.At), clean(e.Actor), e.What, string(e.Announcement), e.Delivery, e.Account, string(e.State), clean(e.Detail)}
	}
	_, err := t.many(ctx, `INSERT INTO events (at, actor, what, announcement, delivery, account, state, detail)`, rows, "")
	return err
}

const selectEvents = `SELECT seq, at, actor, what, announcement, delivery, account, state, detail FROM events `

// Events lists the audit log after seq, oldest first. A reader who goes on from the last Seq misses nothing.
func (db *DB) Events(ctx context.Context, after int64, limit int) ([]Event, error) {
	return db.events(ctx, selectEvents+`WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
}

// EventsOf is all of the audit log that is about one announcement, oldest first.
func (db *DB) EventsOf(ctx context.Context, id announce.ID) ([]Event, error) {
	return db.events(ctx, selectEvents+`WHERE announcement = ? AND announcement <> '' ORDER BY seq`, string(id))
}

func (db *DB) events(ctx context.Context, query string, args ...any) ([]Event, error) {
	var all []Event
	err := db.read().each(ctx, query, args, func(scan func(...any) error) error {
		var e Event
		var when int64
		err := scan(&e.Seq, &when, &e.Actor, &e.What, &e.Announcement, &e.Delivery, &e.Account, &e.State, &e.Detail)
		e.At = at(when)
		all = append(all, e)
		return err
	})
	return all, db.fault(err)
}

// LastEvent is the highest Seq; 0 when there is none.
func (db *DB) LastEvent(ctx context.Context) (seq int64, err error) {
	_, err = db.read().one(ctx, `SELECT COALESCE(MAX(seq), 0) FROM events`, nil, &seq)
	return seq, db.fault(err)
}
