package store

import (
	"context"
	"crypto/rand"
)

// LinkKey signs links.
type LinkKey struct {
	Secret []byte
	Leaked bool // see RotateLinkKey
}

// LinkKeys are all keys that ever signed links, the newest, which signs, first. There is one from the first call on.
func (db *DB) LinkKeys(ctx context.Context) ([]LinkKey, error) {
	all, err := db.read().linkKeys(ctx)
	if err != nil || len(all) > 0 {
		return all, db.fault(err)
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh) // never fails on a supported system (its documentation)
		if _, err := t.exec(ctx, `INSERT INTO link_keys (number, value, at) VALUES (1, ?, ?) ON CONFLICT DO NOTHING`, fresh, us(t.now)); err != nil {
			return err
		}
		all, err = t.linkKeys(ctx)
		return err
	})
	return all, err
}

func (c conn) linkKeys(ctx context.Context) (all []LinkKey, err error) {
	err = c.each(ctx, `SELECT value, leaked FROM link_keys ORDER BY number DESC`, nil, func(scan func(...any) error) error {
		var k LinkKey
		var leaked int
		err := scan(&k.Secret, &leaked)
		k.Leaked = leaked == 1
		all = append(all, k)
		return err
	})
	return all, err
}

// RotateLinkKey makes a new key that signs from now on. leaked: somebody else may have the keys until now, and they are good
// for leaving only.
func (db *DB) RotateLinkKey(ctx context.Context, leaked bool, actor string) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		detail := ""
		if leaked {
			detail = "leaked"
			if _, err := t.exec(ctx, `UPDATE link_keys SET leaked = 1`); err != nil {
				return err
			}
		}
		fresh := make([]byte, 32)
		_, _ = rand.Read(fresh)
		_, err := t.exec(ctx, `INSERT INTO link_keys (number, value, at) SELECT COALESCE(MAX(number), 0) + 1, ?, ? FROM link_keys`, fresh, us(t.now))
		t.log(Event{Actor: actor, What: "links-rotated", Detail: detail})
		return err
	})
}
