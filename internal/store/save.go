package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"
)

// written is a revision encoded for storing.
type written struct {
	document, images string
	payloads         [][]any
	blobs            blobs
}

func (s Submission) encode() (w written, err error) {
	a := s.Announcement
	w.blobs = blobs{}
	if w.document, w.images, err = w.blobs.announcement(a); err != nil {
		return w, fmt.Errorf("cannot encode the announcement: %w", err)
	}
	for _, p := range s.Payloads {
		if p.Silent {
			w.payloads = append(w.payloads, []any{string(a.ID), a.Rev, p.Account, string(p.Language), p.Message.Part, p.Since, "", ""})
			continue
		}
		message, images, err := w.blobs.message(p.Message)
		if err != nil {
			return w, fmt.Errorf("cannot encode the message for %s: %w", p.Account, err)
		}
		w.payloads = append(w.payloads, []any{string(a.ID), a.Rev, p.Account, string(p.Language), p.Message.Part, p.Since, message, images})
	}
	return w, nil
}

// putRevision stores what one acceptance froze.
func (t *tx) putRevision(ctx context.Context, s Submission, w written) error {
	a := s.Announcement
	if err := t.putBlobs(ctx, w.blobs); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO revisions (announcement, rev, language, document, images, actor, at, of_rev) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		string(a.ID), a.Rev, string(a.Default), w.document, w.images, clean(s.Actor), us(a.Updated), a.OfRev); err != nil {
		return err
	}
	if _, err := t.many(ctx, `INSERT INTO payloads (announcement, rev, account, language, part, since, message, images)`, w.payloads, ""); err != nil {
		return err
	}
	return t.putCounted(ctx, s)
}

// Recall returns what an earlier request with this key was answered. ErrKeyReused: its body was another. Expired keys are not found.
func (db *DB) Recall(ctx context.Context, k Key) (answer []byte, status int, found bool, err error) {
	answer, status, found, err = recall(ctx, db.read(), k, db.Now())
	return answer, status, found, db.fault(err)
}

func recall(ctx context.Context, c conn, k Key, now time.Time) (answer []byte, status int, found bool, err error) {
	var hash string
	found, err = c.one(ctx, `SELECT hash, answer, status FROM idempotency WHERE token = ? AND key = ? AND expires > ?`,
		[]any{clean(k.Token), clean(k.Key), us(now)}, &hash, &answer, &status)
	if err == nil && found && hash != hex.EncodeToString(k.Hash[:]) {
		return nil, 0, false, ErrKeyReused
	}
	return answer, status, found, err
}

// claimKey makes the key this submission's. When another submission has it, that one's answer is returned.
func (t *tx) claimKey(ctx context.Context, k Key) (replay []byte, replayed bool, err error) {
	if _, err := t.exec(ctx, `DELETE FROM idempotency WHERE token = ? AND key = ? AND expires <= ?`, clean(k.Token), clean(k.Key), us(t.now)); err != nil {
		return nil, false, err
	}
	answer := k.Answer
	if answer == nil {
		answer = []byte{}
	}
	n, err := t.exec(ctx, `INSERT INTO idempotency (token, key, hash, answer, status, expires) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		clean(k.Token), clean(k.Key), hex.EncodeToString(k.Hash[:]), answer, k.Status, us(t.now.Add(k.TTL)))
	if err != nil || n == 1 {
		return nil, false, err
	}
	replay, _, replayed, err = recall(ctx, t.conn, k, t.now)
	if err == nil && !replayed {
		return nil, false, fmt.Errorf("%w: the key expired this moment", ErrBusy)
	}
	return replay, replayed, err
}

// Save accepts an announcement. If its key was saved meanwhile with the same body, the earlier answer is returned,
// replayed is true and nothing is stored; with another body it is ErrKeyReused.
func (db *DB) Save(ctx context.Context, s Submission) (replay []byte, replayed bool, err error) {
	if err := db.room(); err != nil {
		return nil, false, err
	}
	w, err := s.encode()
	if err != nil {
		return nil, false, err
	}
	err = db.write(ctx, func(ctx context.Context, t *tx) (err error) {
		if replay, replayed = nil, false; s.Key != nil {
			if replay, replayed, err = t.claimKey(ctx, *s.Key); err != nil || replayed {
				return err
			}
		}
		return t.save(ctx, s, w)
	})
	if err != nil {
		return nil, false, err
	}
	return replay, replayed, nil
}

func (t *tx) save(ctx context.Context, s Submission, w written) error {
	a := s.Announcement
	if _, err := t.exec(ctx, `INSERT INTO announcements (id, rev, listed, publish_at, due_at, of, apart, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		string(a.ID), a.Rev, flag(a.Kind.Listed() && s.run() == 0), publishAt(a), us(s.due(t.now)), string(a.Of), s.Apart.Microseconds(), us(a.Created), us(a.Updated)); err != nil {
		return err
	}
	if err := t.putRevision(ctx, s, w); err != nil {
		return err
	}
	var fresh []held
	for _, d := range s.Deliveries {
		d.Announcement = a.ID
		h := held{Delivery: d, follows: s.follows[d.Account]}
		if h.follows != "" {
			h.before = a.OfRev
		}
		fresh = append(fresh, h)
		if err := t.account(ctx, d.Account); err != nil {
			return err
		}
	}
	if err := t.insertAll(ctx, fresh); err != nil {
		return err
	}
	for _, p := range s.Plans {
		if err := t.putPlan(ctx, a, p); err != nil {
			return err
		}
	}
	if s.Waves != nil {
		if err := t.putWaves(ctx, a.ID, s.Waves, a.Updated, s.Actor); err != nil {
			return err
		}
	}
	if err := t.putItems(ctx, a); err != nil {
		return err
	}
	t.log(Event{Actor: s.Actor, What: "submitted", Announcement: a.ID, Detail: a.Texts[a.Default].Title})
	return nil
}

// account makes an account known, so that it can be paused, stopped and listed.
func (t *tx) account(ctx context.Context, account string) error {
	_, err := t.exec(ctx, `INSERT INTO accounts (account) VALUES (?) ON CONFLICT DO NOTHING`, account)
	return err
}

// Forget makes a key free again.
func (db *DB) Forget(ctx context.Context, k Key) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM idempotency WHERE token = ? AND key = ?`, clean(k.Token), clean(k.Key))
		return err
	})
}

// Prune deletes idempotency keys and planned changes that have expired, what is known of people who never confirmed, and, where Options.Keep
// says so, to whom old letters went.
func (db *DB) Prune(ctx context.Context) error {
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		for _, table := range []string{"idempotency", "changes"} {
			if _, err := t.exec(ctx, `DELETE FROM `+table+` WHERE expires <= ?`, us(t.now)); err != nil {
				return err
			}
		}
		return t.forget(ctx)
	})
	for more := db.o.Keep > 0; more && err == nil; {
		err = db.write(ctx, func(ctx context.Context, t *tx) (err error) {
			more, err = t.anonymize(ctx, t.now.Add(-db.o.Keep))
			return err
		})
	}
	return err
}

// run is the run of a digest that a submission is an edition of; 0: it is none.
func (s Submission) run() int64 {
	for _, p := range s.Plans {
		if p.Run > 0 {
			return p.Run
		}
	}
	return 0
}

// due is when a submission comes due first: not before it is on record.
func (s Submission) due(now time.Time) time.Time {
	var first time.Time
	earlier := func(t, otherwise time.Time) {
		if t.IsZero() {
			t = otherwise
		}
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	for _, p := range s.Plans {
		earlier(p.First, p.Next)
	}
	for _, d := range s.Deliveries {
		earlier(d.First, d.Next)
	}
	if first.Before(now) {
		return now
	}
	return first
}
