package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Rehearsal is what was found when an announcement was rehearsed.
type Rehearsal struct {
	Rev      int                `json:"rev" doc:"The revision that was rehearsed."`
	At       time.Time          `json:"at"`
	Findings []announce.Concern `json:"findings" doc:"What deserves a look before it leaves; none: all is well."`
}

// rehearsing is how long somebody who rehearses an announcement is waited for.
const rehearsing = 10 * time.Minute

// rehearsed holds of a rehearsal r of announcement a that none is to be made for its time: the arguments are the lead and, for
// those under way, since when they are believed to be.
const rehearsed = `r.rev = a.rev AND r.at >= a.publish_at - ? AND (r.findings <> '' OR r.at > ?)`

// ToRehearse lists the scheduled announcements that are published within lead from now, and that were not rehearsed in
// their present revision since then.
func (db *DB) ToRehearse(ctx context.Context, lead time.Duration) (ids []announce.ID, err error) {
	now := db.Now()
	err = db.read().each(ctx, `SELECT a.id FROM announcements a WHERE a.publish_at > ? AND a.publish_at <= ? AND a.listed = 1 AND a.retracted = 0 AND a.closed = 0 AND a.held_at = 0
		AND NOT EXISTS (SELECT 1 FROM rehearsals r WHERE r.announcement = a.id AND `+rehearsed+`) ORDER BY a.publish_at, a.id`,
		[]any{us(now), us(now.Add(lead)), lead.Microseconds(), us(now.Add(-rehearsing))}, func(scan func(...any) error) error {
			var id announce.ID
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	return ids, db.fault(err)
}

// TakeRehearsal makes the rehearsal of an announcement the caller's, who ends it with PutRehearsal. False: none is to be
// made any more, or another server is at it.
func (db *DB) TakeRehearsal(ctx context.Context, id announce.ID, lead time.Duration) (ours bool, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO rehearsals (announcement, rev, at, findings)
			SELECT a.id, a.rev, CAST(? AS BIGINT), '' FROM announcements a WHERE a.id = ? AND a.publish_at > ?
				AND NOT EXISTS (SELECT 1 FROM rehearsals r WHERE r.announcement = a.id AND `+rehearsed+`)
			ON CONFLICT (announcement) DO UPDATE SET rev = excluded.rev, at = excluded.at, findings = ''
				WHERE rehearsals.rev <> excluded.rev OR rehearsals.findings <> '' OR rehearsals.at <= ?`,
			us(t.now), string(id), us(t.now), lead.Microseconds(), us(t.now.Add(-rehearsing)), us(t.now.Add(-rehearsing)))
		ours = n > 0
		return err
	})
	return ours && err == nil, err
}

// PutRehearsal puts on record what was found, unless a later revision was rehearsed meanwhile.
func (db *DB) PutRehearsal(ctx context.Context, id announce.ID, r Rehearsal, actor string) error {
	if r.Findings == nil {
		r.Findings = []announce.Concern{}
	}
	findings, err := json.Marshal(r.Findings)
	if err != nil {
		return err
	}
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO rehearsals (announcement, rev, at, findings) VALUES (?, ?, ?, ?)
			ON CONFLICT (announcement) DO UPDATE SET rev = excluded.rev, at = excluded.at, findings = excluded.findings WHERE rehearsals.rev <= excluded.rev`,
			string(id), r.Rev, us(r.At), clean(string(findings)))
		if err == nil && n > 0 {
			t.log(Event{Actor: actor, What: "rehearsed", Announcement: id, Detail: strconv.Itoa(len(r.Findings))})
		}
		return err
	})
}

// Schedule is what is known of an announcement beside its deliveries.
type Schedule struct {
	Held      time.Time  // since when it waits for a person because its time came while no server ran; zero: it does not
	Rehearsal *Rehearsal // the last one; nil: there was none, or one is under way
}

// Schedule tells whether an announcement is held, and what its last rehearsal found.
func (db *DB) Schedule(ctx context.Context, id announce.ID) (s Schedule, err error) {
	var held int64
	var rev, when sql.NullInt64
	var findings sql.NullString
	if _, err = db.read().one(ctx, `SELECT a.held_at, r.rev, r.at, r.findings FROM announcements a LEFT JOIN rehearsals r ON r.announcement = a.id WHERE a.id = ?`,
		[]any{string(id)}, &held, &rev, &when, &findings); err != nil {
		return s, db.fault(err)
	}
	s.Held = at(held)
	if findings.String != "" {
		s.Rehearsal = &Rehearsal{Rev: int(rev.Int64), At: at(when.Int64)}
		if err := json.Unmarshal([]byte(findings.String), &s.Rehearsal.Findings); err != nil {
			return s, fmt.Errorf("the rehearsal of %s cannot be read: %w", id, err)
		}
	}
	return s, nil
}

// Spent is what an account has spent in the calendar month (UTC) of a moment, in micro-dollars.
func (db *DB) Spent(ctx context.Context, account string, when time.Time) (amount int64, err error) {
	_, err = db.read().one(ctx, `SELECT spent FROM spending WHERE account = ? AND month = ?`, []any{account, monthOf(when)}, &amount)
	return amount, db.fault(err)
}

// LastMailing is how the last mailing on a personal account was taken: so many addresses of it do not exist, of so many
// that answered. Zeros: there was none.
func (db *DB) LastMailing(ctx context.Context, account string) (gone, answers int, err error) {
	c := db.read()
	var id int64
	found, err := c.one(ctx, `SELECT p.id FROM plans p JOIN announcements a ON a.id = p.announcement WHERE p.account = ? AND p.planned > 0 AND p.only_to = 0 AND a.listed = 1
		ORDER BY p.first_due DESC, p.id DESC LIMIT 1`, []any{account}, &id)
	if err != nil || !found {
		return 0, 0, db.fault(err)
	}
	if _, err := c.one(ctx, `SELECT COUNT(DISTINCT address) FROM reports WHERE plan = ? AND class = 'hard'`, []any{id}, &gone); err != nil {
		return 0, 0, db.fault(err)
	}
	_, err = c.one(ctx, `SELECT COALESCE(SUM(published + failed), 0) FROM tallies WHERE plan = ?`, []any{id}, &answers)
	return gone, answers, db.fault(err)
}
