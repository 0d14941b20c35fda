package store

import (
	"context"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// turn is what became of a plan and its letters are told, page by page: the plan itself has it at once, and no letter
// begins against it.
type turn struct {
	how         string // revised, closed (as revised, where it can be seen), unwanted, stopped, skipped; empty: every letter knows
	done        int64  // letters up to this address know
	rest, fault string // unwanted: for letters that can be seen; skipped: for those that cannot
	first, next time.Time
	at          time.Time
}

// turnAtOnce is how many letters are told in the change itself.
const turnAtOnce = 5000

// lostBefore: a call of it was lost, and none is under way.
const lostBefore = `calling = '' AND shown = 0 AND rest <> 'skipped' AND repeats + cuts > 0`

// Each keeps a letter where Letter.place keeps it. A call under way is seen to its end first, where it is.
const (
	turnRevised = `UPDATE letters SET wanted = 1, rev = CASE WHEN ? = 1 AND shown > 0 AND calling = '' THEN shown ELSE ? END, attempts = 0, looks = 0, rest = '',
		fault = CASE WHEN calling <> '' THEN fault ELSE '' END,
		first_due = CASE WHEN first_due > ? THEN ? ELSE first_due END,
		next = CASE
			WHEN calling <> '' AND rest = '' THEN next
			WHEN calling = '' AND shown > 0 AND (shown >= ? OR ? = 1) THEN CASE WHEN first_due > ? THEN ? ELSE first_due END
			WHEN calling = '' AND address > ? AND next <= first_due THEN CASE WHEN first_due > ? THEN ? ELSE first_due END
			WHEN calling = '' AND attempts = 0 AND next > first_due AND next > ? THEN next
			WHEN ? > first_due THEN ?
			ELSE first_due + 1 END
		WHERE plan = ? AND address > ? AND address <= ?`
	turnUnwanted = `UPDATE letters SET wanted = 0,
		calling = CASE WHEN ` + lostBefore + ` THEN 'publish' ELSE calling END,
		call_rev = CASE WHEN ` + lostBefore + ` THEN rev ELSE call_rev END,
		began = CASE WHEN ` + lostBefore + ` THEN CAST(? AS BIGINT) ELSE began END,
		rest = CASE WHEN calling <> '' OR shown = 0 AND rest = 'skipped' THEN rest WHEN ` + lostBefore + ` THEN 'person' WHEN shown = 0 THEN '' ELSE ? END,
		fault = CASE WHEN calling <> '' OR shown = 0 AND rest = 'skipped' THEN fault WHEN ` + lostBefore + ` THEN CAST(? AS TEXT) WHEN shown = 0 THEN '' ELSE ? END,
		attempts = CASE WHEN calling <> '' THEN attempts ELSE 0 END,
		next = CASE
			WHEN calling <> '' THEN next
			WHEN shown = 0 OR ? <> '' THEN first_due
			WHEN ? > first_due THEN ?
			ELSE first_due + 1 END
		WHERE plan = ? AND address > ? AND address <= ? AND (wanted = 1 OR shown > 0)`
	turnStopped = `UPDATE letters SET wanted = 0, attempts = CASE WHEN calling <> '' THEN attempts ELSE 0 END,
		calling = CASE WHEN calling = '' AND repeats + cuts > 0 THEN 'publish' ELSE calling END,
		call_rev = CASE WHEN calling = '' AND repeats + cuts > 0 THEN rev ELSE call_rev END,
		began = CASE WHEN calling = '' AND repeats + cuts > 0 THEN CAST(? AS BIGINT) ELSE began END,
		rest = CASE WHEN calling <> '' THEN rest WHEN repeats + cuts > 0 THEN 'person' ELSE '' END,
		fault = CASE WHEN calling <> '' THEN fault WHEN repeats + cuts > 0 THEN CAST(? AS TEXT) ELSE '' END, next = CASE WHEN calling <> '' THEN next ELSE first_due END
		WHERE plan = ? AND address > ? AND address <= ? AND shown = 0 AND rest <> 'skipped'`
	turnSkipped = `UPDATE letters SET rest = CASE WHEN repeats + cuts > 0 THEN 'person' ELSE 'skipped' END, calling = CASE WHEN repeats + cuts > 0 THEN 'publish' ELSE '' END,
		call_rev = CASE WHEN repeats + cuts > 0 THEN rev ELSE 0 END, began = CASE WHEN repeats + cuts > 0 THEN CAST(? AS BIGINT) ELSE 0 END,
		fault = CASE WHEN repeats + cuts > 0 THEN CAST(? AS TEXT) ELSE CAST(? AS TEXT) END, next = first_due
		WHERE plan = ? AND address > ? AND address <= ? AND rest = '' AND calling = '' AND wanted = 1 AND shown = 0`
)

// stoppedWhy is why a letter is not sent again that may have arrived.
const stoppedWhy = "it is not sent any more: it was cancelled, or another takes its place"

const takenBack = "it was taken back"

// apply tells the letters after one address up to another, and counts what changed.
func (t *tx) apply(ctx context.Context, p plan, after, to int64) (err error) {
	if err = t.countRange(ctx, p.id, after, to, -1); err != nil {
		return err
	}
	u := p.turn
	rest, fault, first, next, now, keeps := u.rest, clean(u.fault), us(u.first), us(u.next), us(u.at), flag(p.keeps)
	switch u.how {
	case "closed":
		// A letter under way is looked at when its call has ended: nothing begins of a plan that is not wanted.
		if _, err = t.exec(ctx, turnRevised+` AND (shown > 0 OR calling <> '')`, keeps, p.rev, now, first, p.rev, keeps, now, first, p.leased, now, first, next, next, next, p.id, after, to); err != nil {
			return err
		}
		_, err = t.exec(ctx, turnStopped+` AND calling = ''`, now, lostAnd+stoppedWhy, p.id, after, to)
	case "stopped":
		_, err = t.exec(ctx, turnStopped, now, lostAnd+stoppedWhy, p.id, after, to)
	case "revised":
		_, err = t.exec(ctx, turnRevised, keeps, p.rev, now, first, p.rev, keeps, now, first, p.leased, now, first, next, next, next, p.id, after, to)
	case "unwanted":
		_, err = t.exec(ctx, turnUnwanted, now, rest, lostAnd+takenBack, fault, rest, now, now, p.id, after, to)
	case "skipped":
		_, err = t.exec(ctx, turnSkipped, now, lostAnd+fault, fault, p.id, after, to)
	}
	if err != nil {
		return err
	}
	return t.countRange(ctx, p.id, after, to, 1)
}

func (t *tx) countRange(ctx context.Context, plan, after, to, sign int64) error {
	return t.each(ctx, `SELECT state, COUNT(*) FROM (SELECT `+letterState+` AS state FROM letters WHERE plan = ? AND address > ? AND address <= ?) each_one GROUP BY state`,
		[]any{plan, after, to}, func(scan func(...any) error) error {
			var s announce.State
			var n int64
			err := scan(&s, &n)
			t.count(plan, s, sign*n)
			return err
		})
}

// turn gives the letters of a plan something to be told, and tells the first of them. The caller holds the gate.
func (t *tx) turn(ctx context.Context, id announce.ID, account string, u turn) error {
	p, found, err := t.planOf(ctx, id, account)
	if err != nil || !found {
		return err
	}
	p.turn, p.wanted = u, u.how == "revised"
	if _, err := t.exec(ctx, `UPDATE plans SET open = 1, wanted = ?, turn = ?, turned = 0, turn_rest = ?, turn_fault = ?, turn_first = ?, turn_next = ?, turn_at = ?
		WHERE id = ?`, flag(p.wanted), u.how, u.rest, clean(u.fault), us(u.first), us(u.next), us(u.at), p.id); err != nil {
		return err
	}
	return t.turnPage(ctx, p, turnAtOnce)
}

// turnPage tells the next page of letters.
func (t *tx) turnPage(ctx context.Context, p plan, page int) error {
	to := p.turn.done
	if _, err := t.one(ctx, `SELECT COALESCE(MAX(address), 0) FROM (SELECT address FROM letters WHERE plan = ? AND address > ? ORDER BY address LIMIT ?) page`,
		[]any{p.id, p.turn.done, page}, &to); err != nil {
		return err
	}
	if to > p.turn.done {
		if err := t.apply(ctx, p, p.turn.done, to); err != nil {
			return err
		}
		p.turn.done = to
	}
	if to == 0 || to >= p.position {
		p.turn.how = ""
	}
	_, err := t.exec(ctx, `UPDATE plans SET turn = ?, turned = ? WHERE id = ?`, p.turn.how, p.turn.done, p.id)
	return err
}

const turningPlan = `open = 1 AND turn <> ''`

// turnSome tells a page of letters of some plan. False: none has anything to tell.
func (db *DB) turnSome(ctx context.Context, page int) (some bool, err error) {
	var one int
	if some, err = db.read().one(ctx, `SELECT 1 FROM plans WHERE `+turningPlan+` LIMIT 1`, nil, &one); err != nil || !some {
		return false, db.fault(err)
	}
	err = db.hold(ctx, func(ctx context.Context, t *tx) error {
		all, err := t.plans(ctx, turningPlan+` ORDER BY id LIMIT 1`+t.lock("FOR NO KEY UPDATE"))
		if some = len(all) > 0; err != nil || !some {
			return err
		}
		return t.turnPage(ctx, all[0], page)
	})
	return some && err == nil, err
}
