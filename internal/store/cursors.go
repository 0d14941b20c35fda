package store

import (
	"context"
	"time"
)

// Cursor is how far the log of events was told to somebody.
type Cursor struct {
	Seq   int64     // the last event that they have
	Tries int       // to tell them the next one, in vain
	Next  time.Time // nobody tells them more before then: it was put off, or somebody is at it
}

// Cursor is how far the log was told to name: at first up to its end, so that they hear of what happens from now on.
func (db *DB) Cursor(ctx context.Context, name string) (c Cursor, err error) {
	c, found, err := db.read().cursor(ctx, name)
	if err != nil || found {
		return c, db.fault(err)
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO cursors (name, seq, tries, next, owner) SELECT ?, COALESCE(MAX(seq), 0), 0, 0, '' FROM events WHERE 0 = 0 ON CONFLICT DO NOTHING`, name); err != nil {
			return err
		}
		c, _, err = t.cursor(ctx, name)
		return err
	})
	return c, err
}

func (c conn) cursor(ctx context.Context, name string) (out Cursor, found bool, err error) {
	var next int64
	found, err = c.one(ctx, `SELECT seq, tries, next FROM cursors WHERE name = ?`, []any{name}, &out.Seq, &out.Tries, &next)
	out.Next = at(next)
	return out, found, err
}

// MoveCursor puts to in the place of from. moved: false, somebody else moved it meanwhile.
func (db *DB) MoveCursor(ctx context.Context, name string, from, to Cursor) (moved bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE cursors SET seq = ?, tries = ?, next = ?, owner = ? WHERE name = ? AND seq = ? AND tries = ? AND next = ?`,
			to.Seq, to.Tries, us(to.Next), db.owner, name, from.Seq, from.Tries, us(from.Next))
		moved = n == 1
		return err
	})
	return moved && err == nil, err
}
