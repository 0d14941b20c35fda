package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Each open plan costs a few steps in indexes, however many letters it has. CROSS JOIN tells SQLite to begin with the accounts.
const dueQuery = `SELECT account, announcement FROM (
		SELECT d.account, d.announcement, MIN(d.due) AS due FROM accounts a
			CROSS JOIN deliveries d WHERE d.account = a.account AND d.due <= ?
			AND (d.part = 0 OR d.shown > 0 OR d.calling <> '' OR d.wanted = 0 OR EXISTS (SELECT 1 FROM deliveries b
				WHERE b.announcement = d.announcement AND b.account = d.account AND b.part = d.part - 1 AND b.shown > 0 AND b.wanted = 1))
			AND (d.follows = '' OR d.shown > 0 OR d.calling <> '' OR d.wanted = 0 OR NOT EXISTS (
				SELECT 1 FROM deliveries told WHERE told.id = d.follows AND told.calling <> '' AND told.rest = '')
				AND NOT EXISTS (SELECT 1 FROM deliveries other WHERE other.follows = d.follows AND other.follows <> ''
				AND other.announcement <> d.announcement AND other.calling <> '' AND other.rest = ''))
			AND a.stopped = 0 AND a.paused_until <= ? GROUP BY d.account, d.announcement
		UNION ALL
		SELECT p.account, p.announcement, ` + planDue + ` AS due ` + openPlans + ` AND ` + planBusy + `
		UNION ALL
		SELECT p.account, p.announcement, ` + planLapse + ` AS due ` + openPlans + `
		UNION ALL
		SELECT p.account, p.announcement, ` + planLater + ` AS due ` + openPlans + `
	) work WHERE due <= ? AND NOT EXISTS (SELECT 1 FROM server WHERE stopped_at > 0)
	GROUP BY account, announcement ORDER BY MIN(due), announcement, account LIMIT ?`

const (
	openPlans = `FROM accounts a CROSS JOIN plans p WHERE p.account = a.account AND p.open = 1 AND p.held_at = 0 AND a.stopped = 0 AND a.paused_until <= ?`
	planDue   = `(CASE WHEN p.canary > 0 AND p.leased >= p.canary AND p.done = 1 THEN p.canary_until ELSE p.next END)`
	planBusy  = `(p.wanted = 1 AND p.done = 0 AND p.run = 0 OR p.leased < p.position)`
	planLapse = `(SELECT MIN(s.lease_until) FROM leases s WHERE s.plan = p.id)`
	planLater = `(SELECT MIN(l.next) FROM letters l WHERE l.plan = p.id AND l.next > l.first_due)`
)

// Due lists pairs with work due now on accounts that may be called, longest due first. Plans whose time has come are
// work too. Nothing is due while everything is stopped.
func (db *DB) Due(ctx context.Context, limit int) ([]Job, error) {
	now := us(db.Now())
	var jobs []Job
	err := db.read().each(ctx, dueQuery, []any{now, now, now, now, now, now, limit}, func(scan func(...any) error) error {
		var j Job
		err := scan(&j.Account, &j.Announcement)
		jobs = append(jobs, j)
		return err
	})
	return jobs, db.fault(err)
}

// NextDue is the earliest moment after now at which work becomes due on an account that is not stopped; zero when there is none.
func (db *DB) NextDue(ctx context.Context) (time.Time, error) {
	stopped, _, _, err := db.Stopped(ctx)
	if err != nil || stopped {
		return time.Time{}, err
	}
	accounts, err := db.Accounts(ctx)
	if err != nil {
		return time.Time{}, err
	}
	now := db.Now()
	var next time.Time
	for _, a := range accounts {
		if a.Stopped {
			continue
		}
		t, err := db.nextDue(ctx, a.Account, now, a.PausedUntil)
		if err != nil {
			return time.Time{}, db.fault(err)
		}
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next, nil
}

// nextDue is NextDue for one account: what is due during a pause becomes due at its end.
func (db *DB) nextDue(ctx context.Context, account string, now, paused time.Time) (time.Time, error) {
	after := us(now)
	if paused.After(now) {
		after = 0
	}
	var next sql.NullInt64
	_, err := db.read().one(ctx, `SELECT MIN(due) FROM (
			SELECT MIN(due) AS due FROM deliveries WHERE account = ? AND due > ?
			UNION ALL
			SELECT MIN(`+planDue+`) FROM plans p WHERE p.account = ? AND p.open = 1 AND p.held_at = 0 AND `+planDue+` > ? AND `+planBusy+`
			UNION ALL
			SELECT MIN((SELECT MIN(s.lease_until) FROM leases s WHERE s.plan = p.id AND s.lease_until > ?)) FROM plans p WHERE p.account = ? AND p.open = 1 AND p.held_at = 0
			UNION ALL
			SELECT MIN((SELECT MIN(l.next) FROM letters l WHERE l.plan = p.id AND l.next > l.first_due AND l.next > ?)) FROM plans p WHERE p.account = ? AND p.open = 1 AND p.held_at = 0
		) work`, []any{account, after, account, after, after, account, after, account}, &next)
	if err != nil || !next.Valid {
		return time.Time{}, err
	}
	due := at(next.Int64)
	if due.Before(paused) {
		due = paused
	}
	return due, nil
}

// Claim takes the longest due delivery of the pair for one call: until the lease ends, nobody else gets it, and when
// nothing is recorded by then it is due again, to be settled. False with Wait: only a pause or the pace is in the way.
func (db *DB) Claim(ctx context.Context, account string, id announce.ID, o ClaimOptions) (Claim, bool, error) {
	var c claiming
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		c = claiming{account: account, id: id, ClaimOptions: o}
		return c.claim(ctx, t)
	})
	if err != nil {
		return Claim{}, false, err
	}
	if c.loaded != nil {
		db.packs.add(c.key, c.loaded)
	}
	return c.Claim, c.taken, nil
}
