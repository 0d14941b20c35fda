package store

import (
	"context"
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Shelf holds what the website's feed shows.
type Shelf struct{ db *DB }

// Shelf is the website's feed, kept in the record.
func (db *DB) Shelf() Shelf { return Shelf{db} }

// shelved is how many items List returns.
const shelved = 200

// Put shows an item, new or changed. Its first First stays; a removed one comes back. Sequence grows by one with each
// Put that changes the message, so that repeating one is harmless.
func (s Shelf) Put(ctx context.Context, item announce.ShelfItem) error {
	b := blobs{}
	message, images, err := b.message(item.Message)
	if err != nil {
		return err
	}
	return s.db.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.putBlobs(ctx, b); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO shelf (item, message, images, first_at, updated_at, sequence) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (item) DO UPDATE SET message = excluded.message, images = excluded.images, updated_at = excluded.updated_at, removed_at = 0,
				sequence = shelf.sequence + 1
			WHERE shelf.message <> excluded.message OR shelf.images <> excluded.images OR shelf.removed_at > 0`,
			item.Key, message, images, us(item.First), us(item.Updated), item.Sequence)
		return err
	})
}

// Remove turns an item into a tombstone. Removing again, or what is not there, changes nothing.
func (s Shelf) Remove(ctx context.Context, key string, at time.Time) error {
	return s.db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE shelf SET removed_at = ?, updated_at = ?, sequence = sequence + 1 WHERE item = ? AND removed_at = 0`, us(at), us(at), key)
		return err
	})
}

// Edition is another text after each change of the shelf. It costs no more than a look into an index.
func (s Shelf) Edition(ctx context.Context) (string, error) {
	var items, newest, changes int64
	_, err := s.db.read().one(ctx, `SELECT COUNT(*), COALESCE(MAX(updated_at), 0), COALESCE(SUM(sequence), 0) FROM shelf`, nil, &items, &newest, &changes)
	return fmt.Sprintf("%x-%x-%x", items, changes, newest), s.db.fault(err)
}

// Item is one entry, however old, a tombstone too.
func (s Shelf) Item(ctx context.Context, key string) (item announce.ShelfItem, found bool, err error) {
	all, err := s.items(ctx, `WHERE item = ?`, clean(key))
	if err != nil || len(all) == 0 {
		return item, false, err
	}
	return all[0], true, nil
}

// List returns the newest 200 by Updated, newest first, tombstones too.
func (s Shelf) List(ctx context.Context) ([]announce.ShelfItem, error) {
	return s.items(ctx, `ORDER BY updated_at DESC, item DESC LIMIT ?`, shelved)
}

func (s Shelf) items(ctx context.Context, where string, args ...any) ([]announce.ShelfItem, error) {
	type line struct {
		item            announce.ShelfItem
		message, images string
	}
	var lines []line
	c := s.db.read()
	err := c.each(ctx, `SELECT item, message, images, first_at, updated_at, removed_at, sequence FROM shelf `+where, args,
		func(scan func(...any) error) error {
			var l line
			var first, updated, removed int64
			err := scan(&l.item.Key, &l.message, &l.images, &first, &updated, &removed, &l.item.Sequence)
			l.item.First, l.item.Updated, l.item.Removed = at(first), at(updated), at(removed)
			lines = append(lines, l)
			return err
		})
	if err != nil {
		return nil, s.db.fault(err)
	}
	all := make([]announce.ShelfItem, len(lines))
	for i, l := range lines {
		all[i] = l.item
		if all[i].Message, err = c.readMessage(ctx, l.message, l.images); err != nil {
			return nil, s.db.fault(err)
		}
	}
	return all, nil
}
