package store

import (
	"context"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Planned is a change that was thought through and shown, and may be made until Expires.
type Planned struct {
	ID, Announcement announce.ID
	Rev              int    // of which it is a change
	Draft            []byte // as its author sent it
	Standing         string // as DB.Standing gave it
	Steps            string // what was shown, in whatever form
	Expires          time.Time
	Made             int         // the revision that it made; 0: none yet
	FollowUp         announce.ID // what was made with it
}

// Keep puts a planned change on record.
func (db *DB) Keep(ctx context.Context, p Planned) error {
	if err := db.room(); err != nil {
		return err
	}
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO changes (id, announcement, rev, draft, standing, steps, expires) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			string(p.ID), string(p.Announcement), p.Rev, string(p.Draft), p.Standing, p.Steps, us(p.Expires))
		return err
	})
}

// Planned returns a change by its ID. ErrNotFound: there is none, or it has expired.
func (db *DB) Planned(ctx context.Context, id announce.ID) (p Planned, err error) {
	var draft string
	var expires int64
	found, err := db.read().one(ctx, `SELECT id, announcement, rev, draft, standing, steps, expires, made, follow_up FROM changes WHERE id = ? AND expires > ?`,
		[]any{string(id), us(db.Now())}, &p.ID, &p.Announcement, &p.Rev, &draft, &p.Standing, &p.Steps, &expires, &p.Made, &p.FollowUp)
	if err == nil && !found {
		err = ErrNotFound
	}
	p.Draft, p.Expires = []byte(draft), at(expires)
	return p, db.fault(err)
}

// carriedOut notes what a planned change made. ErrMoved: it was made already.
func (t *tx) carriedOut(ctx context.Context, plan announce.ID, rev int, f *Submission) error {
	if plan == "" {
		return nil
	}
	followUp := ""
	if f != nil {
		followUp = string(f.Announcement.ID)
	}
	n, err := t.exec(ctx, `UPDATE changes SET made = ?, follow_up = ? WHERE id = ? AND made = 0`, rev, followUp, string(plan))
	if err == nil && n == 0 {
		err = ErrMoved
	}
	return err
}
