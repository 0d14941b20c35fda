package store

import (
	"context"
	"errors"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Corrupt is the fault of a delivery or letter whose message is not usable.
const Corrupt = "the stored text of this revision cannot be read; amend the announcement to store it anew"

// longestDue finds what to do next. A part of a thread is published when the part before it can be seen; what tells a
// change of a post, when it is known what readers see of that one, and of earlier corrections.
const longestDue = `account = ? AND announcement = ? AND due <= ? AND (part = 0 OR shown > 0 OR calling <> '' OR wanted = 0 OR EXISTS (
		SELECT 1 FROM deliveries before WHERE before.announcement = deliveries.announcement AND before.account = deliveries.account
		AND before.part = deliveries.part - 1 AND before.shown > 0 AND before.wanted = 1))
	AND (follows = '' OR shown > 0 OR calling <> '' OR wanted = 0 OR NOT EXISTS (
		SELECT 1 FROM deliveries told WHERE told.id = deliveries.follows AND told.calling <> '' AND told.rest = '')
		AND NOT EXISTS (SELECT 1 FROM deliveries other WHERE other.follows = deliveries.follows AND other.follows <> ''
		AND other.announcement <> deliveries.announcement AND other.calling <> '' AND other.rest = ''))
	ORDER BY due LIMIT 1`

// claiming is a Claim in the making.
type claiming struct {
	Claim
	ClaimOptions
	account string
	id      announce.ID
	taken   bool
	key     packKey
	loaded  *pack // read for this claim, not yet remembered
}

func (c *claiming) claim(ctx context.Context, t *tx) error {
	paused, slot, open, err := t.open(ctx, c.account)
	if err != nil || !open {
		return err
	}
	for {
		rows, err := t.rows(ctx, longestDue+t.lock("FOR UPDATE SKIP LOCKED"),
			c.account, string(c.id), us(t.now))
		if err != nil || len(rows) == 0 {
			return err
		}
		h := rows[0]
		if c.Pace <= 0 || slot.Before(paused) {
			slot = paused
		}
		if c.Wait = max(0, slot.Sub(t.now)); c.Wait > 0 {
			return nil
		}
		var told announce.Receipt
		if h.Todo() == announce.Publish {
			moot, receipt, err := t.moot(ctx, &h)
			if err != nil {
				return err
			}
			if moot {
				if err := t.drop(ctx, h, c.Owner); err != nil {
					return err
				}
				continue
			}
			soon, err := t.tooSoon(ctx, h)
			if err != nil {
				return err
			}
			if soon {
				if err := t.skip(ctx, h.Account, h.Announcement, faultHeard, c.Owner); err != nil {
					return err
				}
				continue
			}
			told = receipt
		}
		message, usable, err := c.message(ctx, t, h)
		if err != nil {
			return err
		}
		if !usable {
			if err := t.setAside(ctx, h, c.Owner); err != nil {
				return err
			}
			continue
		}
		if ours, err := c.reserve(ctx, t); err != nil || !ours {
			return err
		}
		message.Root, message.Parent = told, told
		return c.take(ctx, t, h, message)
	}
}

// open reads what holds the account back. On Postgres it cannot change before the claim commits.
func (t *tx) open(ctx context.Context, account string) (paused, slot time.Time, open bool, err error) {
	if err := t.advisory(ctx, lockGate, true); err != nil {
		return paused, slot, false, err
	}
	var all, one, until, free int64
	_, err = t.one(ctx, `SELECT s.stopped_at, COALESCE(a.stopped, 0), COALESCE(a.paused_until, 0), COALESCE(a.slot, 0)
		FROM server s LEFT JOIN accounts a ON a.account = ?`, []any{account}, &all, &one, &until, &free)
	return at(until), at(free), err == nil && all == 0 && one == 0, err
}

// message finds what is to be sent. Not usable: it is not there, or cannot be read.
func (c *claiming) message(ctx context.Context, t *tx, h held) (m announce.Message, usable bool, err error) {
	rev := h.Rev
	if h.Todo() == announce.Settle {
		rev = h.CallRev
	}
	c.key, c.loaded = packKey{c.id, c.account, rev}, nil
	p := t.db.packs.get(c.key)
	if p == nil {
		var corrupt *corruptError
		if p, err = t.readPack(ctx, c.key); errors.As(err, &corrupt) {
			t.db.o.Log.Error("a stored message cannot be read", "announcement", c.id, "account", c.account, "rev", rev, "error", err)
			return m, false, nil
		}
		if err != nil {
			return m, false, err
		}
		c.loaded = p
	}
	m, usable = p.pick(h.Since, h.Part, h.Language)
	return m, usable || h.Todo() == announce.Retract, nil
}

// setAside lets a delivery rest that cannot be called, so that it costs the others nothing.
func (t *tx) setAside(ctx context.Context, h held, owner string) error {
	before := h.Delivery
	h.Rest, h.Fault = announce.Failed, Corrupt
	if h.Calling != announce.Nothing {
		h.Rest = announce.Person
	}
	h.fence, h.lease, h.owner = h.fence+1, 0, ""
	t.changed(before, h.Delivery, owner)
	if err := t.release(ctx, before, &h); err != nil {
		return err
	}
	return t.putIs(ctx, h)
}

// reserve takes the account's next slot. Not ours: another server was faster, Wait says by how much.
func (c *claiming) reserve(ctx context.Context, t *tx) (ours bool, err error) {
	if c.Pace <= 0 {
		return true, nil
	}
	n, err := t.exec(ctx, `UPDATE accounts SET slot = ? WHERE account = ? AND slot <= ?`, us(t.now.Add(c.Pace)), c.account, us(t.now))
	if err == nil && n == 0 {
		c.Wait = c.Pace
	}
	return n == 1, err
}

// take marks the call as begun.
func (c *claiming) take(ctx context.Context, t *tx, h held, m announce.Message) error {
	before := h.Delivery
	c.Verb = h.Todo()
	if c.Verb != announce.Settle {
		h.Calling, h.CallRev, h.Began, h.Fault = c.Verb, h.Rev, t.now, "" // what went wrong before this call says nothing of it
		h.Attempts++
	}
	h.fence, h.lease, h.owner = h.fence+1, us(t.now.Add(c.Lease)), clean(c.Owner)
	err := t.putIs(ctx, h)
	if err != nil {
		return err
	}
	if h.Since > 0 && h.Part == 0 && c.Verb == announce.Publish { // the other parts of the thread say the same
		if _, err := t.exec(ctx, `UPDATE deliveries SET since = ? WHERE announcement = ? AND account = ? AND part > 0`, h.Since, string(h.Announcement), h.Account); err != nil {
			return err
		}
	}
	t.changed(before, h.Delivery, c.Owner)
	m.Key, m.Date = h.ID, h.First
	if h.Part > 0 {
		if m.Root == (announce.Receipt{}) {
			if m.Root, err = t.shownPart(ctx, h, 0); err != nil {
				return err
			}
		}
		if m.Parent, err = t.shownPart(ctx, h, h.Part-1); err != nil {
			return err
		}
	}
	c.Delivery, c.Message, c.Fence, c.taken = h.Delivery, m, h.fence, true
	return nil
}

// shownPart is the receipt of another part of the thread that h belongs to.
func (t *tx) shownPart(ctx context.Context, h held, part int) (r announce.Receipt, err error) {
	var when int64
	_, err = t.one(ctx, `SELECT receipt_id, receipt_url, receipt_at FROM deliveries
		WHERE announcement = ? AND account = ? AND part = ? AND shown > 0 ORDER BY wanted DESC, id LIMIT 1`,
		[]any{string(h.Announcement), h.Account, part}, &r.ID, &r.URL, &when)
	r.At = at(when)
	return r, err
}
