package store

import (
	"context"
	"errors"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// LeaseOptions say who leases letters, for how long, and at most how many.
type LeaseOptions struct {
	Owner string
	Lease time.Duration
	Most  int
	Pace  time.Duration // between two beginnings on the account
}

// Batch is letters that one worker has to itself until the lease ends. What is not begun by then, or was left calling,
// somebody else gets.
type Batch struct {
	Account      string
	Announcement announce.ID
	Letters      []*Letter
	Closed       bool // nothing is left to do for the plan: its last letter has an end
	plan, fence  int64
	pace         time.Duration
}

// Lease takes letters of a plan that are due: of somebody whose lease ran out, else those that are to be tried again,
// else ones that nobody had yet. An empty batch: there is nothing to do now, or the account may not be called.
func (db *DB) Lease(ctx context.Context, account string, id announce.ID, o LeaseOptions) (b Batch, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		b = Batch{Account: account, Announcement: id}
		paused, _, open, err := t.open(ctx, account)
		if err != nil || !open || paused.After(t.now) {
			return err
		}
		p, found, err := t.planOf(ctx, id, account)
		if err != nil || !found {
			return err
		}
		return t.lease(ctx, &p, &b, o)
	})
	if err != nil {
		return Batch{}, err
	}
	for _, l := range b.Letters {
		l.batch, l.Announcement, l.Account = &b, id, account
	}
	return b, nil
}

// mostEmpty is how many ranges without work one call passes over.
const mostEmpty = 50

func (t *tx) lease(ctx context.Context, p *plan, b *Batch, o LeaseOptions) error {
	if err := t.waits(ctx, p); err != nil || p.held {
		return err
	}
	o.Most = max(1, o.Most)
	for range mostEmpty {
		p.fence++
		got, err := t.takeLapsed(ctx, p, o)
		if err == nil && !got {
			got, err = t.takeLater(ctx, p, o)
		}
		if err == nil && !got {
			got, err = t.takeFresh(ctx, p, o)
		}
		if err != nil {
			return err
		}
		if !got {
			b.Closed, err = t.rest(ctx, p)
			return err
		}
		if _, err := t.exec(ctx, `UPDATE plans SET fence = ?, leased = ? WHERE id = ?`, p.fence, p.leased, p.id); err != nil {
			return err
		}
		all, err := t.leased(ctx, p.id, p.fence)
		if err != nil {
			return err
		}
		b.plan, b.fence, b.pace, b.Letters = p.id, p.fence, o.Pace, b.Letters[:0]
		for _, l := range all {
			if l.Todo() != announce.Nothing && !l.Next.After(t.now) {
				b.Letters = append(b.Letters, l)
			}
		}
		if len(b.Letters) > 0 {
			return nil
		}
		if err := t.giveBack(ctx, p.id, p.fence); err != nil {
			return err
		}
	}
	return nil
}

// leased reads what a fence covers: of a range the fresh letters, else those that are for later.
func (t *tx) leased(ctx context.Context, plan, fence int64) ([]*Letter, error) {
	var first, last int64
	ranged, err := t.one(ctx, `SELECT first, last FROM leases WHERE plan = ? AND fence = ? AND later = 0`, []any{plan, fence}, &first, &last)
	switch {
	case err != nil:
		return nil, err
	case ranged:
		return t.fresh(ctx, plan, first, last)
	}
	return t.letters(ctx, `WHERE l.plan = ? AND l.next > l.first_due AND l.address IN (SELECT s.first FROM leases s WHERE s.plan = ? AND s.fence = ?) ORDER BY l.address`,
		plan, plan, fence)
}

// fresh reads the fresh letters of a range that have something to do: quickly those that were never tried, which are nearly all.
func (t *tx) fresh(ctx context.Context, plan, first, last int64) (all []*Letter, err error) {
	const untried = `l.wanted = 1 AND l.shown = 0 AND l.calling = '' AND l.attempts = 0 AND l.looks = 0 AND l.repeats = 0 AND l.cuts = 0 AND l.rest = '' AND l.fault = ''`
	err = t.each(ctx, `SELECT l.address, l.language, l.rev, l.first_due, a.address, a.name, a.updated_at FROM letters l JOIN addresses a ON a.id = l.address
		WHERE l.plan = ? AND l.address >= ? AND l.address <= ? AND l.next = l.first_due AND `+untried+` ORDER BY l.address`, []any{plan, first, last}, func(scan func(...any) error) error {
		l := &Letter{Plan: plan}
		var due int64
		err := scan(&l.Address, &l.Language, &l.Rev, &due, &l.To, &l.Name, &l.updated)
		l.ID, l.Wanted, l.First, l.Next = LetterKey(plan, l.Address), true, at(due), at(due)
		all = append(all, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	rest, err := t.letters(ctx, `WHERE l.plan = ? AND l.address >= ? AND l.address <= ? AND l.next <= l.first_due AND NOT (l.next = l.first_due AND `+untried+`)
		AND (l.rest = '' AND (l.calling <> '' OR l.wanted = 1 AND l.shown < l.rev OR l.wanted = 0 AND l.shown > 0)) ORDER BY l.address`, plan, first, last)
	return append(rest, all...), err
}

// takeLapsed takes over everything that was leased at once and whose lease has run out.
func (t *tx) takeLapsed(ctx context.Context, p *plan, o LeaseOptions) (bool, error) {
	var fence int64
	found, err := t.one(ctx, `SELECT fence FROM leases WHERE plan = ? AND lease_until <= ? ORDER BY lease_until, fence LIMIT 1`, []any{p.id, us(t.now)}, &fence)
	if err != nil || !found {
		return false, err
	}
	_, err = t.exec(ctx, `UPDATE leases SET fence = ?, owner = ?, lease_until = ? WHERE plan = ? AND fence = ?`,
		p.fence, clean(o.Owner), us(t.now.Add(o.Lease)), p.id, fence)
	return true, err
}

const takeLater = `SELECT address FROM letters WHERE plan = ? AND next > first_due AND next <= ?
	AND NOT EXISTS (SELECT 1 FROM leases s WHERE s.plan = letters.plan AND s.later = 1 AND s.first = letters.address) ORDER BY next LIMIT ?`

func (t *tx) takeLater(ctx context.Context, p *plan, o LeaseOptions) (bool, error) {
	var rows [][]any
	err := t.each(ctx, takeLater, []any{p.id, us(t.now), o.Most}, func(scan func(...any) error) error {
		var address int64
		err := scan(&address)
		rows = append(rows, []any{p.id, 1, address, address, p.fence, clean(o.Owner), us(t.now.Add(o.Lease))})
		return err
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	_, err = t.many(ctx, `INSERT INTO leases (plan, later, first, last, fence, owner, lease_until)`, rows, "")
	return true, err
}

// takeFresh takes the next range of letters that nobody had yet.
func (t *tx) takeFresh(ctx context.Context, p *plan, o LeaseOptions) (bool, error) {
	if !p.wanted && p.turn.how == "" && p.leased < p.position { // none of them has anything to do
		p.leased = p.position
		_, err := t.exec(ctx, `UPDATE plans SET leased = ? WHERE id = ?`, p.leased, p.id)
		return false, err
	}
	if p.leased >= p.position || p.next.After(t.now) {
		return false, nil
	}
	last := p.position
	if p.canaryUntil.After(t.now) {
		last = min(last, p.canary)
	}
	var to int64
	if _, err := t.one(ctx, `SELECT COALESCE(MAX(address), 0) FROM (SELECT address FROM letters WHERE plan = ? AND address > ? AND address <= ? ORDER BY address LIMIT ?) page`,
		[]any{p.id, p.leased, last, o.Most}, &to); err != nil || to == 0 {
		return false, err
	}
	_, err := t.exec(ctx, `INSERT INTO leases (plan, later, first, last, fence, owner, lease_until) VALUES (?, 0, ?, ?, ?, ?, ?)`,
		p.id, p.leased+1, to, p.fence, clean(o.Owner), us(t.now.Add(o.Lease)))
	p.leased = to
	return true, err
}

// rest closes a plan of which nothing is left to do, so that nobody looks at it again.
func (t *tx) rest(ctx context.Context, p *plan) (closed bool, err error) {
	if p.wanted && !p.done || p.turn.how != "" || p.leased < p.position {
		return false, nil
	}
	var left int
	if _, err := t.one(ctx, `SELECT (SELECT COUNT(*) FROM leases WHERE plan = ?) + (SELECT COUNT(*) FROM (SELECT 1 AS one FROM letters WHERE plan = ? AND next > first_due LIMIT 1) later)`,
		[]any{p.id, p.id}, &left); err != nil || left > 0 {
		return false, err
	}
	n, err := t.exec(ctx, `UPDATE plans SET open = 0, ended_at = ? WHERE id = ? AND open = 1`, us(t.now), p.id)
	return n > 0, err
}

// giveBack ends what a fence covers. A range with fresh letters that still have something to do is left for the next.
func (t *tx) giveBack(ctx context.Context, plan, fence int64) error {
	if _, err := t.exec(ctx, `DELETE FROM leases WHERE plan = ? AND fence = ? AND (later = 1 OR NOT EXISTS (SELECT 1 FROM letters l
		WHERE l.plan = leases.plan AND l.address >= leases.first AND l.address <= leases.last AND l.next <= l.first_due AND `+letterTodo+` <> ''))`, plan, fence); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE leases SET owner = '', lease_until = ? WHERE plan = ? AND fence = ?`, us(t.now), plan, fence)
	return err
}

// GiveBack ends a lease. What of the batch still has something to do is somebody else's from now on, so nothing of it may
// be under way. ErrFenced: it was no longer ours.
func (db *DB) GiveBack(ctx context.Context, b *Batch) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		if _, found, err := t.planOf(ctx, b.Announcement, b.Account); err != nil || !found {
			return err
		}
		return t.giveBack(ctx, b.plan, b.fence)
	})
}

// RenewLease makes the lease of a batch end later. ErrFenced: somebody else has it.
func (db *DB) RenewLease(ctx context.Context, b *Batch, lease time.Duration) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE leases SET lease_until = ? WHERE plan = ? AND fence = ? AND owner <> ''`, us(t.now.Add(lease)), b.plan, b.fence)
		if err == nil && n == 0 {
			err = ErrFenced
		}
		return err
	})
}

// Message is what a letter that began says, with Key, Date, To and Name. It shares memory with others: it is read, never
// changed. False: it is not there, or cannot be read; for a retraction that does not matter.
func (db *DB) Message(ctx context.Context, l *Letter) (m announce.Message, usable bool, err error) {
	k := packKey{l.Announcement, l.Account, l.CallRev}
	p := db.packs.get(k)
	if p == nil {
		var corrupt *corruptError
		if p, err = db.read().readPack(ctx, k); errors.As(err, &corrupt) {
			db.o.Log.Error("a stored message cannot be read", "announcement", k.id, "account", k.account, "rev", k.rev, "error", err)
			return m, false, nil
		}
		if err != nil {
			return m, false, db.fault(err)
		}
		db.packs.add(k, p)
	}
	m, usable = p.pick(l.Since, 0, l.Language)
	m.Key, m.Date, m.To, m.Name = l.ID, l.First, l.To, l.Name
	return m, usable, nil
}
