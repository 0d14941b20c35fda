package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
)

// concealed names the secret that conceals addresses and networks.
const concealed = "concealed"

// conceal is a name for something that only this record can make again: HMAC-SHA256, in hexadecimal.
func conceal(key []byte, parts ...string) string {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		m.Write([]byte(p))
		m.Write([]byte{0})
	}
	return hex.EncodeToString(m.Sum(nil))
}

// Suppress makes sure that an address is never written to, even if it is added or imported again: only a keyed hash of
// it is kept. An address on record is unsubscribed too. reason is one word: by-hand, bounced, complained, unsubscribed.
func (db *DB) Suppress(ctx context.Context, channel, address, reason string, d Deed) error {
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return err
	}
	mailbox := Mailbox(channel, address)
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.suppress(ctx, conceal(key, channel, mailbox), reason); err != nil {
			return err
		}
		var id int64
		found, err := t.one(ctx, `SELECT id FROM addresses WHERE channel = ? AND mailbox = ?`, []any{channel, mailbox}, &id)
		if err != nil || !found {
			return err
		}
		d.Act = Unsubscribe
		_, err = t.leave(ctx, id, Unsubscribed, d)
		return err
	})
}

func (t *tx) suppress(ctx context.Context, hash, reason string) error {
	_, err := t.exec(ctx, `INSERT INTO suppressions (hash, reason, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, hash, reason, us(t.now))
	return err
}

// Suppressed tells whether and why an address must never be written to.
func (db *DB) Suppressed(ctx context.Context, channel, address string) (reason string, suppressed bool, err error) {
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return "", false, err
	}
	suppressed, err = db.read().one(ctx, `SELECT reason FROM suppressions WHERE hash = ?`, []any{conceal(key, channel, Mailbox(channel, address))}, &reason)
	return reason, suppressed, db.fault(err)
}

// Lift ends a suppression, because the person asked for it. False: there was none.
func (db *DB) Lift(ctx context.Context, channel, address, actor string) (lifted bool, err error) {
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return false, err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `DELETE FROM suppressions WHERE hash = ?`, conceal(key, channel, Mailbox(channel, address)))
		if lifted = n > 0; lifted {
			t.log(Event{Actor: actor, What: "suppression-lifted"})
		}
		return err
	})
	return lifted && err == nil, err
}
