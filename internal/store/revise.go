package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// current locks an announcement for a change and checks that the caller knows its revision.
func (t *tx) current(ctx context.Context, id announce.ID, expected int) (retracted bool, err error) {
	var rev, gone int
	found, err := t.one(ctx, `SELECT rev, retracted FROM announcements WHERE id = ?`+t.lock("FOR NO KEY UPDATE"), []any{string(id)}, &rev, &gone)
	switch {
	case err != nil:
		return false, err
	case !found:
		return false, ErrNotFound
	case rev != expected:
		return false, &StaleError{Current: rev}
	}
	return gone == 1, nil
}

// Change is what an amendment does beside bringing everything to its revision.
type Change struct {
	// Follow tells what changed where a post or letter of an earlier revision can be seen and stays as it is: it is Of the
	// announcement, its plans have Before. Only what of it has somebody to tell is stored. nil: nothing is told.
	Follow   *Submission
	Close    bool        // nothing that is not out is published any more, of the announcement and of whatever follows it
	Standing string      // what the change rests on, as Standing gave it; empty: nothing
	Plan     announce.ID // the Planned that it carries out; empty: none
}

// Revise is Change without anything beside.
func (db *DB) Revise(ctx context.Context, expected int, s Submission) error {
	_, err := db.Change(ctx, expected, s, Change{})
	return err
}

// Change brings an announcement from revision expected to s.Announcement.Rev. *StaleError when expected is not
// current, ErrRetracted after a retraction, ErrMoved when it does not stand any more as the change says. A post that can
// be seen takes Manner, Rest and Fault from its row in s; one that cannot is published in its new form. Accounts that are
// not in s are no longer wanted. followed: something of c.Follow was stored; what earlier ones had still to say there is
// never said.
func (db *DB) Change(ctx context.Context, expected int, s Submission, c Change) (followed bool, err error) {
	if s.Announcement.Rev <= expected {
		return false, fmt.Errorf("revision %d does not follow %d", s.Announcement.Rev, expected)
	}
	w, err := s.encode()
	if err != nil {
		return false, err
	}
	err = db.hold(ctx, func(ctx context.Context, t *tx) error {
		retracted, err := t.current(ctx, s.Announcement.ID, expected)
		if err != nil {
			return err
		}
		if retracted {
			return ErrRetracted
		}
		if err := t.stands(ctx, s.Announcement.ID, c.Standing); err != nil {
			return err
		}
		var f *Submission
		if f, err = t.followed(ctx, s.Announcement, c.Follow); err != nil {
			return err
		}
		if err := t.revise(ctx, s, w, c.Close); err != nil {
			return err
		}
		if followed = f != nil; followed || c.Close {
			if err := t.follow(ctx, s, f, c.Close); err != nil {
				return err
			}
		}
		return t.carriedOut(ctx, c.Plan, s.Announcement.Rev, f)
	})
	return followed && err == nil, err
}

func (t *tx) revise(ctx context.Context, s Submission, w written, closed bool) error {
	a := s.Announcement
	if err := t.putRevision(ctx, s, w); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `UPDATE announcements AS a SET rev = ?, closed = ?, publish_at = ?, due_at = CASE WHEN due_at > ? OR held_at > 0 OR `+untold+` THEN ? ELSE due_at END, held_at = 0, updated_at = ? WHERE id = ?`,
		a.Rev, flag(closed), publishAt(a), us(t.now), us(s.due(t.now)), us(a.Updated), string(a.ID)); err != nil {
		return err
	}
	// Plans come before deliveries: a page being planned elsewhere is waited for, and its rows are then seen.
	if err := t.revisePlans(ctx, s, closed); err != nil {
		return err
	}
	if err := t.reviseBroadcast(ctx, s, closed); err != nil {
		return err
	}
	if err := t.putWaves(ctx, a.ID, s.Waves, a.Updated, s.Actor); err != nil {
		return err
	}
	if err := t.putItems(ctx, a); err != nil {
		return err
	}
	t.log(Event{Actor: s.Actor, What: "amended", Announcement: a.ID, Detail: cmp.Or(s.Why, a.Texts[a.Default].Title)})
	return nil
}

// planned is the accounts that an announcement has plans on, locked.
func (t *tx) planned(ctx context.Context, id announce.ID) (accounts []string, err error) {
	err = t.each(ctx, `SELECT account FROM plans WHERE announcement = ? ORDER BY account`+t.lock("FOR UPDATE"), []any{string(id)},
		func(scan func(...any) error) error {
			var account string
			err := scan(&account)
			accounts = append(accounts, account)
			return err
		})
	return accounts, err
}

func (t *tx) revisePlans(ctx context.Context, s Submission, closed bool) error {
	a := s.Announcement
	had, err := t.planned(ctx, a.ID)
	if err != nil {
		return err
	}
	for _, account := range had {
		if !slices.ContainsFunc(s.Plans, func(p Plan) bool { return p.Account == account }) {
			if err := t.unwantPlan(ctx, a.ID, account, s.Cannot[account], a.Updated); err != nil {
				return err
			}
		}
	}
	for _, p := range s.Plans {
		if closed && !slices.Contains(had, p.Account) {
			continue
		}
		if err := t.putPlan(ctx, a, p); err != nil {
			return err
		}
		if !slices.Contains(had, p.Account) {
			continue
		}
		first := p.First
		if first.IsZero() {
			first = p.Next
		}
		how := "revised"
		if closed {
			how = "closed"
		}
		u := turn{how: how, first: first, next: p.Next, at: a.Updated}
		if err := t.turn(ctx, a.ID, p.Account, u); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) reviseBroadcast(ctx context.Context, s Submission, closed bool) error {
	a := s.Announcement
	rows, err := t.rows(ctx, `announcement = ? ORDER BY id`+t.lock("FOR UPDATE"), string(a.ID))
	if err != nil {
		return err
	}
	wanted, fresh := match(rows, s)
	for i, h := range rows {
		before := h.Delivery
		if d := wanted[i]; d != nil && !(closed && h.Shown == 0 && h.Calling == announce.Nothing && !h.Reposting()) {
			h.revise(*d, a.Rev, a.Updated)
		} else {
			h.unwant(s.Cannot[h.Account], a.Updated)
		}
		if h.Delivery == before {
			continue
		}
		if err := t.putShould(ctx, h); err != nil {
			return err
		}
		t.changed(before, h.Delivery, s.Actor)
	}
	if closed {
		return nil
	}
	for i := range fresh {
		fresh[i].Announcement = a.ID
		if err := t.account(ctx, fresh[i].Account); err != nil {
			return err
		}
	}
	return t.insertAll(ctx, fresh)
}

// match finds the row that each delivery of s is about: same account, part and language, else a row of the account and
// part whose language is wanted no more, so that one post per account stays one post. The rest of s is fresh.
func match(rows []held, s Submission) (wanted []*announce.Delivery, fresh []held) {
	wanted = make([]*announce.Delivery, len(rows))
	var open []int
	find := func(d *announce.Delivery, same func(announce.Delivery) bool) bool {
		i := slices.IndexFunc(rows, func(h held) bool { return h.Account == d.Account && h.Part == d.Part && same(h.Delivery) })
		for i >= 0 && wanted[i] != nil {
			next := slices.IndexFunc(rows[i+1:], func(h held) bool { return h.Account == d.Account && h.Part == d.Part && same(h.Delivery) })
			if next < 0 {
				return false
			}
			i += 1 + next
		}
		if i >= 0 {
			wanted[i] = d
		}
		return i >= 0
	}
	for i := range s.Deliveries {
		d := &s.Deliveries[i]
		if !find(d, func(h announce.Delivery) bool { return h.Language == d.Language }) {
			open = append(open, i)
		}
	}
	for _, i := range open {
		d := &s.Deliveries[i]
		if !find(d, func(announce.Delivery) bool { return true }) {
			fresh = append(fresh, held{Delivery: *d})
		}
	}
	return wanted, fresh
}

// revise makes h wanted in the form of d. A call under way is seen to its end first.
func (h *held) revise(d announce.Delivery, rev int, now time.Time) {
	h.Wanted, h.Rev, h.Manner, h.Language = true, rev, d.Manner, d.Language
	if h.First.After(now) { // it was never due: its time is the new one
		if h.First = d.First; h.First.IsZero() {
			h.First = d.Next
		}
	}
	h.Attempts, h.Looks, h.Rest = 0, 0, announce.Moving
	if h.Calling == announce.Nothing {
		h.Fault = "" // of a lost call it stays: it tells a lost answer from a death of this program
	}
	if h.Shown > 0 && h.Calling == announce.Nothing {
		h.Rest, h.Fault = d.Rest, d.Fault
	}
	if h.Calling == announce.Nothing || h.lease > 0 {
		h.Next = d.Next
	}
}

// unwant makes h no longer wanted from now on. cannot is what to tell a person when it can be seen and the channel
// cannot retract it. A call under way is seen to its end first; somebody who was passed over stays so.
func (h *held) unwant(cannot string, now time.Time) {
	if !h.Wanted && h.Shown == 0 {
		return
	}
	h.Wanted, h.Manner = false, announce.Edited
	switch {
	case h.Calling != announce.Nothing:
		if h.lease > 0 {
			h.Next = now
		}
	case h.Shown == 0 && h.Rest == announce.Skipped:
	case h.Shown == 0 || cannot == "":
		h.Rest, h.Fault, h.Attempts, h.Next = announce.Moving, "", 0, now
	default:
		h.Rest, h.Fault, h.Attempts, h.Next = announce.Cannot, cannot, 0, now
	}
}

// unwantPlan is unwant for everybody of a personal account, those not yet planned included.
func (t *tx) unwantPlan(ctx context.Context, id announce.ID, account, cannot string, now time.Time) error {
	rest := announce.Moving
	if cannot != "" {
		rest = announce.Cannot
	}
	return t.turn(ctx, id, account, turn{how: "unwanted", rest: string(rest), fault: cannot, at: now})
}

// Withdraw makes nothing of an announcement, and of whatever follows it, wanted any more: what was not published never
// is, what can be seen is retracted. cannot holds, by account, what to tell a person where a shown post cannot be
// retracted. It may be repeated.
func (db *DB) Withdraw(ctx context.Context, id announce.ID, expected int, actor string, cannot map[string]string, when time.Time) error {
	return db.hold(ctx, func(ctx context.Context, t *tx) error {
		retracted, err := t.current(ctx, id, expected)
		if err != nil || retracted {
			return err
		}
		if err := t.withdraw(ctx, id, actor, cannot, when); err != nil {
			return err
		}
		following, err := t.following(ctx, id)
		if err != nil {
			return err
		}
		for _, f := range following {
			if err := t.withdraw(ctx, f.id, actor, cannot, when); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) withdraw(ctx context.Context, id announce.ID, actor string, cannot map[string]string, when time.Time) error {
	if _, err := t.exec(ctx, `UPDATE announcements SET retracted = 1, held_at = 0, updated_at = ? WHERE id = ?`, us(when), string(id)); err != nil {
		return err
	}
	if err := t.dropWaves(ctx, id); err != nil {
		return err
	}
	accounts, err := t.planned(ctx, id)
	if err != nil {
		return err
	}
	for _, account := range accounts {
		if err := t.unwantPlan(ctx, id, account, cannot[account], when); err != nil {
			return err
		}
	}
	rows, err := t.rows(ctx, `announcement = ? ORDER BY id`+t.lock("FOR UPDATE"), string(id))
	if err != nil {
		return err
	}
	for _, h := range rows {
		before := h.Delivery
		if h.unwant(cannot[h.Account], when); h.Delivery == before {
			continue
		}
		if err := t.putShould(ctx, h); err != nil {
			return err
		}
		t.changed(before, h.Delivery, actor)
	}
	t.log(Event{Actor: actor, What: "retracted", Announcement: id})
	return nil
}
