package store

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"
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
// it is kept. An address on record is unsubscribed too. reason is one word: by-hand.
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
		t.log(Event{Actor: d.How, What: "suppressed", Detail: reason})
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

// Suppression is why an address must never be written to.
type Suppression struct {
	Reason string // erased, by-hand
	Since  time.Time
}

// Suppressed tells whether and why an address must never be written to.
func (db *DB) Suppressed(ctx context.Context, channel, address string) (s Suppression, suppressed bool, err error) {
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return s, false, err
	}
	var since int64
	suppressed, err = db.read().one(ctx, `SELECT reason, at FROM suppressions WHERE hash = ?`, []any{conceal(key, channel, Mailbox(channel, address))}, &s.Reason, &since)
	s.Since = at(since)
	return s, suppressed, db.fault(err)
}

// Lift ends a suppression, and lets whoever complained be asked again once they ask to join. why is in the log of events, which
// knows no address. False: there was nothing to lift.
func (db *DB) Lift(ctx context.Context, channel, address, why string, d Deed) (lifted bool, err error) {
	key, err := db.Secret(ctx, concealed)
	if err != nil {
		return false, err
	}
	mailbox := Mailbox(channel, address)
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		var reason string
		lifted, err = t.one(ctx, `DELETE FROM suppressions WHERE hash = ? RETURNING reason`, []any{conceal(key, channel, mailbox)}, &reason)
		if err != nil {
			return err
		}
		var id int64
		complained, err := t.one(ctx, `UPDATE addresses SET standing = 'unsubscribed', updated_at = ? WHERE channel = ? AND mailbox = ? AND standing = 'complained' RETURNING id`,
			[]any{us(t.now), channel, mailbox}, &id)
		if err != nil {
			return err
		}
		if complained {
			lifted, reason = true, string(Complained)
			d.Act, d.Detail = Changed, "the complaint was lifted: "+why
			t.tell(id, d)
			if err := t.agree(ctx, id, d); err != nil {
				return err
			}
		}
		if lifted {
			t.log(Event{Actor: d.How, What: "suppression-lifted", Detail: reason + ": " + why})
		}
		return nil
	})
	return lifted && err == nil, err
}
