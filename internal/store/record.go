package store

import (
	"context"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Record writes how a call ended (everything of d but what should be) and releases the lease. ErrFenced: the lease was
// lost to another claim, nothing is written. What was decided meanwhile holds: an amendment lifts a refusal of the
// revision before it, and starts its attempts anew.
func (db *DB) Record(ctx context.Context, fence int64, d announce.Delivery) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		h, err := t.delivery(ctx, d.ID, t.lock("FOR UPDATE"))
		if err != nil {
			return err
		}
		if h.fence != fence || h.lease == 0 {
			return ErrFenced
		}
		before := h.Delivery
		h.record(d)
		t.changed(before, h.Delivery, h.owner)
		h.lease, h.owner = 0, ""
		if err := t.release(ctx, before, &h); err != nil {
			return err
		}
		return t.putIs(ctx, h)
	})
}

// record takes over what is from d, which was read before the call, into h, which was read after it.
func (h *held) record(d announce.Delivery) {
	amended, turned := h.Rev != d.Rev, h.Wanted != d.Wanted
	next := h.Next
	h.Shown, h.Receipt, h.Posted, h.Edits, h.Calling, h.CallRev, h.Began = d.Shown, d.Receipt, d.Posted, d.Edits, d.Calling, d.CallRev, d.Began
	h.Attempts, h.Looks, h.Repeats, h.Cuts, h.Next, h.Rest, h.Fault = d.Attempts, d.Looks, d.Repeats, d.Cuts, d.Next, d.Rest, d.Fault
	if !amended && !turned {
		return
	}
	if next.After(h.Next) {
		h.Next = next
	}
	if h.Calling != announce.Nothing {
		return
	}
	h.Attempts = 0
	switch {
	case h.Rest == announce.Failed,
		h.Rest == announce.Skipped && amended,
		h.Rest == announce.Cannot && turned:
		h.Rest, h.Fault = announce.Moving, ""
	}
}

// Renew makes the lease end later. ErrFenced as for Record.
func (db *DB) Renew(ctx context.Context, deliveryID string, fence int64, lease time.Duration) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE deliveries SET lease_until = ? WHERE id = ? AND fence = ? AND lease_until > 0`,
			us(t.now.Add(lease)), deliveryID, fence)
		if err == nil && n == 0 {
			err = ErrFenced
		}
		return err
	})
}

// SettleByPerson lets change decide over a delivery that no worker holds. ErrFenced: one does. change may be called
// more than once; what it returns for what should be is not looked at.
func (db *DB) SettleByPerson(ctx context.Context, deliveryID string, change func(announce.Delivery) (announce.Delivery, error), actor string) (announce.Delivery, error) {
	if plan, address, ok := ReadLetterKey(deliveryID); ok {
		return db.settleLetter(ctx, plan, address, change, actor)
	}
	return db.decide(ctx, deliveryID, change, func(t *tx, _ announce.Delivery, h *held) error {
		t.log(Event{Actor: actor, What: "settled", Announcement: h.Announcement, Delivery: h.ID, Account: h.Account, State: h.State(), Detail: detail(h.Delivery)})
		return nil
	})
}

// AskAnew is SettleByPerson for a change of what a person is asked: nothing is settled. What they find is brought to what is
// wanted in the Manner that change returns.
func (db *DB) AskAnew(ctx context.Context, deliveryID string, change func(announce.Delivery) (announce.Delivery, error), actor string) (announce.Delivery, error) {
	var manner announce.Manner
	return db.decide(ctx, deliveryID, func(d announce.Delivery) (announce.Delivery, error) {
		d, err := change(d)
		manner = d.Manner
		return d, err
	}, func(t *tx, before announce.Delivery, h *held) error {
		h.Manner = manner
		t.changed(before, h.Delivery, actor)
		return t.putShould(ctx, *h)
	})
}

// decide lets change decide over a delivery that no worker holds, and puts on record what follows from it.
func (db *DB) decide(ctx context.Context, deliveryID string, change func(announce.Delivery) (announce.Delivery, error), then func(*tx, announce.Delivery, *held) error) (decided announce.Delivery, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		h, err := t.delivery(ctx, deliveryID, t.lock("FOR UPDATE"))
		if err != nil {
			return err
		}
		if h.lease > us(t.now) {
			return ErrFenced
		}
		before := h.Delivery
		d, err := change(before)
		if err != nil {
			return err
		}
		d.Rev, d.Wanted = h.Rev, h.Wanted
		h.record(d)
		h.fence, h.lease, h.owner = h.fence+1, 0, ""
		if err := t.release(ctx, before, &h); err != nil {
			return err
		}
		if err := then(t, before, &h); err != nil {
			return err
		}
		decided = h.Delivery
		return t.putIs(ctx, h)
	})
	return decided, err
}

// Skip lets every delivery of the pair rest at Skipped that has yet to be published and is not being called, and ends
// its plan. For announcements that came too late; an amendment wakes them.
func (db *DB) Skip(ctx context.Context, account string, id announce.ID, fault, actor string) error {
	return db.hold(ctx, func(ctx context.Context, t *tx) error { return t.skip(ctx, account, id, fault, actor) })
}

// lostAnd begins the fault of what is not called any more, while it is not known how an earlier call ended.
const lostAnd = "the answer to the call was lost, and now "

// lose lets d, which is not called any more for a reason, rest until a person tells how a call ended that was lost before.
func lose(d *announce.Delivery, fault string, now time.Time) {
	d.Calling, d.CallRev, d.Began, d.Rest, d.Fault = announce.Publish, d.Rev, now, announce.Person, lostAnd+fault
}

func (t *tx) skip(ctx context.Context, account string, id announce.ID, fault, actor string) error {
	p, planned, err := t.planOf(ctx, id, account)
	if err != nil {
		return err
	}
	if planned {
		if !p.wanted {
			return nil
		}
		t.log(Event{Actor: actor, What: "skipped", Announcement: id, Account: account, Detail: fault})
		return t.turn(ctx, id, account, turn{how: "skipped", fault: fault, at: t.now})
	}
	rows, err := t.rows(ctx, `announcement = ? AND account = ? AND todo = 'publish' ORDER BY id`+t.lock("FOR UPDATE SKIP LOCKED"), string(id), account)
	if err != nil {
		return err
	}
	for _, h := range rows {
		before := h.Delivery
		if h.Rest, h.Fault = announce.Skipped, fault; h.Lost() {
			lose(&h.Delivery, fault, t.now)
			if err := t.putIs(ctx, h); err != nil {
				return err
			}
		}
		if err := t.putShould(ctx, h); err != nil {
			return err
		}
		t.changed(before, h.Delivery, actor)
	}
	return nil
}
