package store

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// GroupPause keeps an account from writing to a group of addresses, such as a mail domain.
type GroupPause struct {
	Account, Group string
	Until          time.Time
	Since          time.Time // what its addresses were refused for since then was the group's fault; zero: it only asks to go slowly
	Doubted        time.Time // when that was found first
	Why            string
}

// pausesKept is how long a pause that is over is remembered: a group that was at fault may be so still.
const pausesKept = 24 * time.Hour

// PauseGroup puts a pause on record. The later of two wins; what made the group doubtful stays known with it.
func (db *DB) PauseGroup(ctx context.Context, p GroupPause) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `DELETE FROM pauses WHERE until < ?`, us(t.now.Add(-pausesKept))); err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO pauses (account, grp, until, since, doubted, why) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (account, grp) DO UPDATE SET until = excluded.until, why = excluded.why,
				since = CASE WHEN excluded.since = 0 AND pauses.until > ? THEN pauses.since ELSE excluded.since END,
				doubted = CASE WHEN excluded.doubted = 0 THEN pauses.doubted ELSE excluded.doubted END
			WHERE pauses.until < excluded.until`,
			p.Account, clean(p.Group), us(p.Until), us(p.Since), us(p.Doubted), clean(p.Why), us(t.now))
		if err == nil && n > 0 {
			t.log(Event{What: "group-paused", Account: p.Account, Detail: p.Group + ": " + p.Why})
		}
		return err
	})
}

// GroupPauses lists the pauses of all accounts, also those that ended within the last day.
func (db *DB) GroupPauses(ctx context.Context) (all []GroupPause, err error) {
	err = db.read().each(ctx, `SELECT account, grp, until, since, doubted, why FROM pauses WHERE until > ? ORDER BY account, grp`, []any{us(db.Now().Add(-pausesKept))},
		func(scan func(...any) error) error {
			var p GroupPause
			var until, since, doubted int64
			err := scan(&p.Account, &p.Group, &until, &since, &doubted, &p.Why)
			p.Until, p.Since, p.Doubted = at(until), at(since), at(doubted)
			all = append(all, p)
			return err
		})
	return all, db.fault(err)
}

// outOfTurn is the fault of a letter that waits for the pause or the pace of its group. A group may be paused again meanwhile, so
// that the moment it waits for names no pause.
const outOfTurn = "this provider is written to slowly, or not at all for now"

// endPauses lets an account write to all groups again. What waits for its group, or was asked to wait without an attempt, is due now;
// not what is to be tried again at its time, nor whoever has quiet hours.
func (t *tx) endPauses(ctx context.Context, account string) error {
	if _, err := t.exec(ctx, `UPDATE letters SET next = ? WHERE plan IN (SELECT id FROM plans WHERE account = ? AND open = 1) AND next > first_due AND next > ? AND first_due < ?
		AND (fault = ? OR attempts = 0 AND fault <> '')`, us(t.now), account, us(t.now), us(t.now), outOfTurn); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM pauses WHERE account = ?`, account)
	return err
}

// PutOff lets letters of a batch that are not being called wait until their Next, and tells how many. It counts as no
// attempt. What somebody else has leased meanwhile stays as it is. paused: they wait for the end of a pause; when that is not on
// record any more, they stay due.
func (db *DB) PutOff(ctx context.Context, b *Batch, all []*Letter, paused bool) (n int, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		n = 0
		ours, err := newRound(t).ours(ctx, b)
		if err != nil || !ours {
			return err
		}
		for _, l := range all {
			k, err := t.exec(ctx, `UPDATE letters SET next = ?, fault = ? WHERE plan = ? AND address = ? AND calling = '' AND rest = '' AND next <= ? AND first_due < ?
				AND (? = 0 OR EXISTS (SELECT 1 FROM pauses x WHERE x.account = ? AND x.until >= ?))`,
				us(l.Next), outOfTurn, l.Plan, l.Address, us(t.now), us(l.Next), flag(paused), b.Account, us(l.Next))
			if err != nil {
				return err
			}
			n += int(k)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// forgiveAtOnce bounds a change of Forgive.
const forgiveAtOnce = 200

// byDelivery is the source of reports that are the answer to a call.
const byDelivery = "delivery"

// Forgive undoes what was recorded since then against addresses of a group that was at fault itself: none of them counts as
// refused or has bounced, and their letters wait until the given moment. It may be repeated.
func (db *DB) Forgive(ctx context.Context, account, group string, since, until time.Time) (letters int, err error) {
	for {
		var n int
		err := db.write(ctx, func(ctx context.Context, t *tx) (err error) {
			n, err = t.forgiveSome(ctx, account, group, since, until)
			return err
		})
		if letters += n; err != nil || n < forgiveAtOnce {
			return letters, err
		}
	}
}

func (t *tx) forgiveSome(ctx context.Context, account, group string, since, until time.Time) (int, error) {
	if err := t.advisory(ctx, lockGate, true); err != nil {
		return 0, err
	}
	type blame struct {
		id            string
		plan, address int64
		kind          announce.Kind
	}
	var all []blame
	err := t.each(ctx, `SELECT r.id, r.plan, r.address, p.kind FROM reports r JOIN plans p ON p.id = r.plan
		WHERE r.at >= ? AND r.source = ? AND r.class = 'hard' AND r.domain = ? AND p.account = ? ORDER BY r.plan, r.address, r.id LIMIT ?`,
		[]any{us(since), byDelivery, clean(group), account, forgiveAtOnce}, func(scan func(...any) error) error {
			var b blame
			err := scan(&b.id, &b.plan, &b.address, &b.kind)
			all = append(all, b)
			return err
		})
	if err != nil {
		return 0, err
	}
	for _, b := range all {
		l, found, err := t.letter(ctx, b.plan, b.address)
		if err != nil {
			return 0, err
		}
		if found && l.Rest == announce.Failed && l.Calling == announce.Nothing {
			before := l.State()
			l.Rest, l.Fault, l.Attempts, l.Next = announce.Moving, outOfTurn, 0, until
			l.place()
			if err := t.putLetter(ctx, before, l); err != nil {
				return 0, err
			}
			if _, err := t.exec(ctx, `UPDATE plans SET open = 1 WHERE id = ? AND open = 0`, b.plan); err != nil {
				return 0, err
			}
		}
		if err := t.unbounce(ctx, b.address, b.kind == announce.KindConfirm, since, group); err != nil {
			return 0, err
		}
		if _, err := t.exec(ctx, `UPDATE reports SET class = 'block' WHERE id = ?`, b.id); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

// unbounce gives an address the standing that an answer of its group took since then.
func (t *tx) unbounce(ctx context.Context, address int64, pending bool, since time.Time, group string) error {
	if _, err := t.exec(ctx, `UPDATE addresses SET hard_at = 0 WHERE id = ? AND hard_at >= ?`, address, us(since)); err != nil {
		return err
	}
	standing := Active
	if pending {
		standing = Pending
	}
	n, err := t.exec(ctx, `UPDATE addresses SET standing = ?, updated_at = ? WHERE id = ? AND standing = 'bounced'
		AND EXISTS (SELECT 1 FROM consents c WHERE c.address = addresses.id AND c.act = 'bounced' AND c.how = ? AND c.at >= ?)`,
		string(standing), us(t.now), address, byDelivery, us(since))
	if err != nil || n == 0 {
		return err
	}
	return t.agree(ctx, address, Deed{Act: Changed, How: byDelivery, Detail: group + " refused everybody: the bounce does not count"})
}

// Hold is a mailing of which nothing more begins until a person says so.
type Hold struct {
	Announcement announce.ID
	Account      string
	Plan         int64
	At           time.Time
	Why          string // bounces, complaints
	Bad, Of      int    // so many of them, of so many answers
}

// A mailing is held when so much of what came of it is bad. After email.md: "> 5 % hard or > 0.1 % complaints".
const (
	judgeBounces    = 100  // answers from which on bounces are judged
	oneInBounces    = 20   // one in so many
	judgeComplaints = 1000 // mails from which on complaints are judged
	oneInComplaints = 1000
	leastComplaints = 3
)

// TooManyBounced reports whether so many bounces among so many answers are a reason to hold a mailing.
func TooManyBounced(bounces, answers int) bool {
	return answers >= judgeBounces && bounces*oneInBounces >= answers
}

// Judge holds a mailing when too many of its letters bounced, or were called spam, since it began or was last let go on.
// Bounces of the group aside are left out. held: it has just been held.
func (db *DB) Judge(ctx context.Context, plan int64, aside string) (held bool, err error) {
	var bounces, complaints, answers, waiting int
	var done, only, already, since int64
	c := db.read()
	found, err := c.one(ctx, `SELECT only_to, held_at, judged_at FROM plans WHERE id = ?`, []any{plan}, &only, &already, &since)
	if err != nil || !found || only > 0 || already > 0 {
		return false, db.fault(err)
	}
	if _, err := c.one(ctx, `SELECT COALESCE(SUM(CASE WHEN class = 'hard' AND (? = '' OR domain <> ?) THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN class = 'complaint' THEN 1 ELSE 0 END), 0) FROM reports WHERE plan = ? AND at >= ?`,
		[]any{clean(aside), clean(aside), plan, since}, &bounces, &complaints); err != nil {
		return false, db.fault(err)
	}
	// Answers are read after what is bad in them, so that the share is never thought greater than it is.
	if _, err := c.one(ctx, `SELECT p.done, COALESCE(SUM(y.waiting), 0), COALESCE(SUM(y.published + y.failed), 0) - p.judged_from
		FROM plans p LEFT JOIN tallies y ON y.plan = p.id WHERE p.id = ? GROUP BY p.id, p.done, p.judged_from`, []any{plan}, &done, &waiting, &answers); err != nil {
		return false, db.fault(err)
	}
	why, bad := "", 0
	switch {
	case done == 1 && waiting == 0:
		return false, nil // nothing is left to hold
	case TooManyBounced(bounces, answers):
		why, bad = "bounces", bounces
	case answers >= judgeComplaints && complaints >= leastComplaints && complaints*oneInComplaints >= answers:
		why, bad = "complaints", complaints
	default:
		return false, nil
	}
	err = db.hold(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE plans SET held_at = ?, held = ?, held_bad = ?, held_of = ? WHERE id = ? AND held_at = 0`, us(t.now), why, bad, answers, plan)
		if held = n > 0; err != nil || !held {
			return err
		}
		all, err := t.plans(ctx, `id = ?`, plan)
		if err == nil && len(all) > 0 {
			t.log(Event{What: "held", Announcement: all[0].announcement, Account: all[0].account, Detail: why + " " + strconv.Itoa(bad) + " of " + strconv.Itoa(answers)})
		}
		return err
	})
	return held && err == nil, err
}

// Holds lists the mailings that are held; with an announcement, those of it.
func (db *DB) Holds(ctx context.Context, id announce.ID) (all []Hold, err error) {
	err = db.read().each(ctx, `SELECT announcement, account, id, held_at, held, held_bad, held_of FROM plans WHERE held_at > 0 AND (? = '' OR announcement = ?) ORDER BY held_at, id`,
		[]any{string(id), string(id)}, func(scan func(...any) error) error {
			var h Hold
			var since int64
			err := scan(&h.Announcement, &h.Account, &h.Plan, &since, &h.Why, &h.Bad, &h.Of)
			h.At = at(since)
			all = append(all, h)
			return err
		})
	return all, db.fault(err)
}

// LetGo lets the held mailings of an announcement go on: what was heard of them so far does not count any more.
// ErrNotFound: none of them is held.
func (db *DB) LetGo(ctx context.Context, id announce.ID, actor string) error {
	return db.hold(ctx, func(ctx context.Context, t *tx) error {
		held, err := t.plans(ctx, `announcement = ? AND held_at > 0`, string(id))
		if err != nil || len(held) == 0 {
			return cmp.Or(err, ErrNotFound)
		}
		for _, p := range held {
			if _, err := t.exec(ctx, `UPDATE plans SET held_at = 0, held = '', held_bad = 0, held_of = 0, judged_at = ?,
				judged_from = (SELECT COALESCE(SUM(published + failed), 0) FROM tallies WHERE plan = ?) WHERE id = ?`, us(t.now), p.id, p.id); err != nil {
				return err
			}
			t.log(Event{Actor: actor, What: "announcement-resumed", Announcement: id, Account: p.account})
		}
		return nil
	})
}
