package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"

	"github.com/crieur/crieur/internal/announce"
)

// Tasks lists the deliveries on broadcast accounts that wait for a person, those of the newest announcements first.
func (db *DB) Tasks(ctx context.Context, limit int) ([]announce.Delivery, error) {
	held, err := db.read().rows(ctx, `rest IN ('failed', 'person', 'cannot') ORDER BY announcement DESC, account, part LIMIT ?`, limit)
	var out []announce.Delivery
	for _, h := range held {
		out = append(out, h.Delivery)
	}
	return out, db.fault(err)
}

// Taken reports whether another delivery on the account has this post for its own.
func (db *DB) Taken(ctx context.Context, d announce.Delivery, receiptID string) (bool, error) {
	if receiptID == "" {
		return false, nil
	}
	var one int
	found, err := db.read().one(ctx, `SELECT 1 FROM deliveries WHERE account = ? AND receipt_id = ? AND receipt_id <> '' AND id <> ? LIMIT 1`,
		[]any{d.Account, clean(receiptID), d.ID}, &one)
	return found, db.fault(err)
}

// Frozen is the message of a delivery at the revision that is wanted. False: there is none, or it cannot be read.
func (db *DB) Frozen(ctx context.Context, d announce.Delivery) (announce.Message, bool, error) {
	p, err := db.read().readPack(ctx, packKey{d.Announcement, d.Account, d.Rev})
	var corrupt *corruptError
	switch {
	case errors.As(err, &corrupt):
		return announce.Message{}, false, nil
	case err != nil:
		return announce.Message{}, false, db.fault(err)
	}
	m, ok := p.pick(d.Since, d.Part, d.Language)
	m.Key, m.Date = d.ID, d.First
	return m, ok, nil
}

// Picture is the bytes of a picture by their SHA-256, in hexadecimal. ErrNotFound when there is none.
func (db *DB) Picture(ctx context.Context, hash string) ([]byte, error) {
	if sum, err := hex.DecodeString(hash); err != nil || len(sum) != 32 {
		return nil, ErrNotFound
	}
	var data []byte
	found, err := db.read().one(ctx, `SELECT data FROM blobs WHERE hash = ?`, []any{hash}, &data)
	if err == nil && !found {
		err = ErrNotFound
	}
	return data, db.fault(err)
}

// Secret is a random secret of 32 bytes, made when it is first asked for. All servers of a record share it.
func (db *DB) Secret(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	found, err := db.read().one(ctx, `SELECT value FROM secrets WHERE name = ?`, []any{name}, &value)
	if err != nil || found {
		return value, db.fault(err)
	}
	fresh := make([]byte, 32)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, fresh); err != nil {
			return err
		}
		_, err := t.one(ctx, `SELECT value FROM secrets WHERE name = ?`, []any{name}, &value)
		return err
	})
	return value, err
}
