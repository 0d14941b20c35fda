package store

import (
	"context"
	"time"
)

// EraseAddress forgets an address: what it is, whose it is, what was chosen and agreed to. What stays is its number with
// the line that it was erased, and a keyed hash, so that it is never written to even if it is added or imported again.
// An address that was to take its place and has not confirmed is emptied too, without the hash: it may be a stranger's.
// On SQLite nothing of it is in the files afterwards; on Postgres the server's vacuum removes the last of it.
func (db *DB) EraseAddress(ctx context.Context, id int64, d Deed) error {
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return err
	}
	d.Act, d.Words, d.Detail = WasErased, "", ""
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.address(ctx, `WHERE id = ? AND standing <> 'erased'`+t.lock("FOR UPDATE"), id)
		if err != nil {
			return err
		}
		if err := t.suppress(ctx, conceal(key, a.Channel, Mailbox(a.Channel, a.Address)), "erased"); err != nil {
			return err
		}
		return t.erase(ctx, id, d)
	})
	if err != nil {
		return err
	}
	return db.scrub(ctx)
}

// erase empties the row of an address and deletes all that hangs on it.
func (t *tx) erase(ctx context.Context, id int64, d Deed) error {
	moving, err := t.ids(ctx, `SELECT id FROM addresses WHERE replaces > 0 AND replaces = ? AND standing = 'pending' AND id <> ? ORDER BY id`, id, id)
	if err != nil {
		return err
	}
	for _, q := range []string{`UPDATE addresses SET replaces = 0 WHERE replaces > 0 AND replaces = ?`, `UPDATE addresses SET replaces = 0 WHERE id = ?`} {
		if _, err := t.exec(ctx, q, id); err != nil { // first, for two may have been asked to take each other's place
			return err
		}
	}
	for _, m := range moving {
		if err := t.erase(ctx, m, d); err != nil {
			return err
		}
	}
	for _, q := range []string{
		`UPDATE letters SET fault = CASE WHEN fault = '' THEN '' ELSE 'erased' END, receipt_id = '', receipt_url = '' WHERE plan IN (SELECT id FROM plans) AND address = ?`,
		`UPDATE reports SET domain = '', detail = '' WHERE address = ?`,
		`DELETE FROM subscriptions WHERE address = ?`,
		`DELETE FROM consents WHERE address = ?`,
	} {
		if _, err := t.exec(ctx, q, id); err != nil {
			return err
		}
	}
	if _, err := t.exec(ctx, `UPDATE addresses SET mailbox = ?, address = '', name = '', language = '', zone = '', standing = 'erased', paused_until = 0,
		frequency = 'now', digest = '', digested = 0, digest_until = 0, quiet_from = 0, quiet_to = 0, everything = 0, hard_at = 0, soft = 0, soft_at = 0, replaces = 0, owed = '', owed_at = 0, updated_at = ? WHERE id = ?`,
		emptied(id), us(t.now), id); err != nil {
		return err
	}
	t.tell(id, d)
	return t.agree(ctx, id, d)
}

// scrub writes SQLite's journal into the database and empties it: what was overwritten is nowhere any more, because it is
// overwritten with zeroes (secure_delete). A reader under way keeps it from doing so until it has ended.
func (db *DB) scrub(ctx context.Context) error {
	if db.postgres() {
		return nil
	}
	for range 3 {
		var busy, pages, done int
		if err := db.pool.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &pages, &done); err != nil || busy == 0 {
			return db.fault(err)
		}
	}
	db.o.Log.Warn("the database's journal could not be emptied; what was erased stays in it until it is written over", "file", fileName+"-wal")
	return nil
}

// forget deletes what nobody needs any more: counted requests after 31 days, and whoever asked to join and did not
// confirm within 30 days.
func (t *tx) forget(ctx context.Context) error {
	if _, err := t.exec(ctx, `DELETE FROM requests WHERE at < ?`, us(t.now.AddDate(0, 0, -31))); err != nil {
		return err
	}
	ids, err := t.ids(ctx, `SELECT id FROM addresses WHERE standing = 'pending' AND updated_at < ? ORDER BY updated_at LIMIT 500`, us(t.now.Add(-30*24*time.Hour)))
	for _, id := range ids {
		if err == nil {
			err = t.erase(ctx, id, Deed{Act: WasErased, How: "never confirmed"})
		}
	}
	return err
}

// ids are the numbers that a query finds.
func (t *tx) ids(ctx context.Context, query string, args ...any) (all []int64, err error) {
	err = t.each(ctx, query, args, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		all = append(all, id)
		return err
	})
	return all, err
}
